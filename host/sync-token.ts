/**
 * What a report carries so that its api may start a database here while the index is away. Such a start
 * names no epoch, so that nothing else would keep one that was under way for long from starting anew
 * what has ended since.
 */
import { AppError } from '../model/errors.ts';

const FRESH_MS = 20_000;

/** @param now monotonic milliseconds of this process, which is what `boot` names. */
export const makeSyncToken = (boot: number, now = performance.now()): string =>
  `${boot}.${Math.floor(now)}`;

/** @throws AppError `late_request` for one of another agent, or of more than 20 s ago. */
export function checkSyncToken(token: string, boot: number, now = performance.now()): void {
  const [of, at = Number.NaN] = token.split('.').map(Number);
  if (of !== boot || !(now - at < FRESH_MS)) throw new AppError('late_request');
}
