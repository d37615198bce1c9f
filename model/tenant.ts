/** What a tenant does through one api instance, held against its limits. */
import { AppError, type ErrorCode } from './errors.ts';
import { BURST_S, TENANT_LIMITS } from './limits.ts';

/** A token bucket: so many a second in the long run, BURST_S seconds' worth of them at once. */
interface Bucket {
  tokens: number;
  at: number;
}

/** All times are monotonic milliseconds. */
export interface Tenant {
  readonly name: string;
  limits: typeof TENANT_LIMITS;
  readAt: number;
  /** Awake as of `readAt`, and what was let through since. */
  running: number;
  /** Starts under way. */
  starting: number;
  /** Told when it is their turn to start. */
  readonly waiting: (() => void)[];
  readonly starts: Bucket;
  readonly creates: Bucket;
}

/** Nothing has been read of it yet. */
export function newTenant(name: string): Tenant {
  const full = (): Bucket => ({ tokens: Infinity, at: 0 });
  const idle = { readAt: Number.NEGATIVE_INFINITY, running: 0, starting: 0 };
  return { ...idle, name, limits: TENANT_LIMITS, waiting: [], starts: full(), creates: full() };
}

/** Takes a token. @throws AppError of this code, with `estimate_ms` until there is one. */
export function spend(bucket: Bucket, perSecond: number, now: number, code: ErrorCode): void {
  const grown = bucket.tokens + ((now - bucket.at) / 1000) * perSecond;
  bucket.tokens = Math.min(grown, perSecond * BURST_S);
  bucket.at = now;
  const estimate_ms = Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
  if (bucket.tokens < 1) throw new AppError(code, { data: { estimate_ms } });
  bucket.tokens -= 1;
}
