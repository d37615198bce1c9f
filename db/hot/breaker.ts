/**
 * What to do while a server is silent or slow: statements are refused at once, instead of waiting for
 * their time-out. Whether it is, a look of its own finds out, always at the same pace, so that nobody's
 * statement has to try and a server that is only busy is not taken for one that is away.
 */
import { AppError } from '../../model/errors.ts';

/** A look that is not answered within this has not been answered. */
export const PROMPT_MS = 400;
const LOOK_MS = 200;
/** So long without a prompt answer: it is away. */
const AWAY_MS = 1_000;

export interface Breaker {
  /** @throws AppError `unavailable` while the server is away. */
  readonly check: () => void;
  readonly stop: () => void;
}

/** @param look rejects if it is not answered promptly. @param now monotonic milliseconds. */
export function createBreaker(look: () => Promise<unknown>, now: () => number): Breaker {
  let answeredAt = now();
  const timer = setInterval(() => {
    const began = now();
    const isPrompt = (): boolean => now() - began <= PROMPT_MS;
    const answered = (): unknown => isPrompt() && (answeredAt = now());
    look().then(answered, () => undefined);
  }, LOOK_MS);
  timer.unref();
  return {
    check() {
      if (now() - answeredAt > AWAY_MS)
        throw new AppError('unavailable', { detail: 'it has not answered lately' });
    },
    stop: () => clearInterval(timer),
  };
}
