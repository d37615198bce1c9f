/** For how long a database could not be used by a client that tries again. Pure. */
import { overlapMs, type Span } from './intervals.ts';

export interface Availability {
  /** A client begins to connect. */
  readonly tried: (atMs: number) => void;
  /** A client that had connected anew has written a row. */
  readonly used: (atMs: number) => void;
  /** From the first try after a success to the next success; of the last one, to `atMs`. */
  readonly gaps: (atMs: number) => readonly Span[];
  readonly isWaiting: () => boolean;
}

/** Several clients of one database may share it: one of them is enough. */
export function createAvailability(): Availability {
  const gaps: Span[] = [];
  let since: number | undefined;
  return {
    tried(atMs) {
      since ??= atMs;
    },
    used(atMs) {
      if (since !== undefined) gaps.push({ fromMs: since, toMs: atMs });
      since = undefined;
    },
    gaps: (atMs) => (since === undefined ? gaps : [...gaps, { fromMs: since, toMs: atMs }]),
    isWaiting: () => since !== undefined,
  };
}

export interface Unavailable extends Span {
  /** Less what was down by schedule. */
  readonly ms: number;
}

export function longestGap(gaps: readonly Span[], down: readonly Span[]): Unavailable {
  return gaps
    .map((gap) => ({ ...gap, ms: gap.toMs - gap.fromMs - overlapMs(gap, down) }))
    .reduce((most, gap) => (gap.ms > most.ms ? gap : most), { fromMs: 0, toMs: 0, ms: 0 });
}
