/** What this host remembers of who woke which database (model/wakes.ts has the rule). */
import { AppError } from '../model/errors.ts';
import { NO_WAKES, backedOff, countWakes, ended, woken, type Wakes } from '../model/wakes.ts';
import type { AwakeAnswer, Cause } from '../model/wire.ts';

/** Databases remembered, some KB each at most; whoever was woken longest ago is forgotten. */
const DATABASES_MAX = 2_000;

export interface WakeMemory {
  /** @throws AppError `backed_off` with `estimate_ms` for a source that wakes it for nothing. */
  readonly check: (database: string, cause: Cause | undefined) => void;
  readonly woken: (database: string, cause: Cause | undefined) => void;
  /** @param activeMs of the look that ended the run, undefined without one. */
  readonly ended: (database: string, activeMs: number | undefined) => void;
  readonly of: (database: string, now: number) => Pick<AwakeAnswer, 'woken_by' | 'wakes'>;
}

/** @param now milliseconds since the epoch. */
export function createWakeMemory(now: () => number): WakeMemory {
  const all = new Map<string, Wakes>();
  const of = (database: string): Wakes => all.get(database) ?? NO_WAKES;

  function put(database: string, wakes: Wakes): void {
    all.delete(database);
    all.set(database, wakes);
    const [oldest] = all.size > DATABASES_MAX ? all.keys() : [];
    if (oldest !== undefined) all.delete(oldest);
  }

  return {
    check(database, cause) {
      const until = cause === undefined ? undefined : backedOff(of(database), cause, now());
      if (until !== undefined)
        throw new AppError('backed_off', { data: { estimate_ms: until - now() } });
    },
    woken: (database, cause) => put(database, woken(of(database), cause ?? {}, now())),
    ended: (database, activeMs) => put(database, ended(of(database), activeMs, now())),
    of(database, at) {
      const wakes = of(database);
      const { current } = wakes;
      return {
        woken_by:
          current === undefined
            ? null
            : { ...current.cause, at: new Date(current.at).toISOString() },
        wakes: countWakes(wakes, at),
      };
    },
  };
}
