/**
 * What to do while a server is silent: statements are refused at once instead of waiting for their
 * time-out, all but one at a time, which is how its return is noticed.
 */
import { AppError, codeOf } from '../../model/errors.ts';

/** A server that has answered anything so lately is busy, not away. */
const ANSWERED_MS = 1_000;

export type Breaker = <T>(work: () => Promise<T>) => Promise<T>;

/** @param now monotonic milliseconds. @returns what runs work, or throws AppError `unavailable`. */
export function createBreaker(now: () => number): Breaker {
  let answeredAt = now();
  let away = false;
  let asking = false;
  return async (work) => {
    if (away && asking) throw new AppError('unavailable', { detail: 'it has not answered lately' });
    if (away) asking = true;
    try {
      const done = await work();
      [away, asking, answeredAt] = [false, false, now()];
      return done;
    } catch (error) {
      asking = false;
      if (codeOf(error) !== 'unavailable') [away, answeredAt] = [false, now()];
      else if (now() - answeredAt > ANSWERED_MS) away = true;
      throw error;
    }
  };
}
