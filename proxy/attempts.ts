/**
 * Bounds false logins: of one source into one database as one role. Whoever goes on is refused before
 * anything is computed or asked for it, so that guessing is slow and a flood of it costs little.
 * Known and unknown databases count alike.
 */
import { AppError } from '../model/errors.ts';
import { LOGIN_FAILURES_BURST, LOGIN_FAILURES_PER_SECOND } from '../model/limits.ts';
import { createLru } from './lru.ts';

const REMEMBERED_MAX = 50_000;

interface Failures {
  /** As of `at`; each second takes LOGIN_FAILURES_PER_SECOND away. */
  readonly count: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export interface Attempt {
  readonly source: string;
  readonly database: string;
  readonly role: string;
}

export interface Attempts {
  /** @throws AppError `too_many_attempts` with `estimate_ms` */
  readonly check: (attempt: Attempt) => void;
  readonly failed: (attempt: Attempt) => void;
}

export function createAttempts(now: () => number = () => performance.now()): Attempts {
  const failures = createLru<Failures>(REMEMBERED_MAX);
  const keyOf = ({ source, database, role }: Attempt): string => `${source} ${database} ${role}`;
  const countOf = (key: string): number => {
    const { count, at } = failures.get(key) ?? { count: 0, at: 0 };
    return Math.max(0, count - ((now() - at) / 1_000) * LOGIN_FAILURES_PER_SECOND);
  };
  return {
    check(attempt) {
      const over = countOf(keyOf(attempt)) - LOGIN_FAILURES_BURST + 1;
      if (over <= 0) return;
      const estimate = Math.ceil((over / LOGIN_FAILURES_PER_SECOND) * 1_000);
      throw new AppError('too_many_attempts', { data: { estimate_ms: estimate } });
    },
    failed(attempt) {
      const key = keyOf(attempt);
      failures.set(key, { count: countOf(key) + 1, at: now() });
    },
  };
}
