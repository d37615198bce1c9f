/**
 * Bounds false logins: of one source into one database as one role. Whoever goes on is refused before
 * anything is computed or asked for it, so that guessing is slow and a flood of it costs little.
 * Known and unknown databases count alike.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import { LOGIN_FAILURES_BURST, LOGIN_FAILURES_PER_SECOND } from '../model/limits.ts';
import { createLru } from './lru.ts';

const REMEMBERED_MAX = 50_000;
/** More than so many above the burst count no longer: whoever is right gets in again seconds later. */
const OVER_MAX = 5 * LOGIN_FAILURES_PER_SECOND;

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

/** Who has one IPv6 address has 2^64: the first half of it, as an address may be written. */
export function networkOf(source: string): string {
  if (!source.includes(':')) return source;
  const [head = '', tail] = source.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? 0 : tail.split(':').length;
  if (tail !== undefined) while (groups.length + after < 8) groups.push('0');
  return groups.slice(0, 4).join(':');
}

export interface Attempts {
  /** Before anything is done for it, and again before its proof is judged. @throws AppError `too_many_attempts` with `estimate_ms` */
  readonly check: (attempt: Attempt) => void;
  readonly failed: (attempt: Attempt) => void;
}

export function createAttempts(now: () => number = () => performance.now()): Attempts {
  const failures = createLru<Failures>(REMEMBERED_MAX);
  // A hash: names are the client's, and may be long.
  const keyOf = ({ source, database, role }: Attempt): string =>
    createHash('sha256')
      .update(JSON.stringify([networkOf(source), database, role]))
      .digest('base64');
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
      const count = Math.min(countOf(key) + 1, LOGIN_FAILURES_BURST + OVER_MAX);
      failures.set(key, { count, at: now() });
    },
  };
}
