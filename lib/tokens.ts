/** Bearer tokens of callers: compared by hash, in constant time, with the scopes they carry. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../model/errors.ts';

export interface Caller {
  readonly name: string;
  readonly scopes: readonly string[];
  /** The tenants whose databases it may see and change; undefined = all. */
  readonly tenants?: readonly string[];
  /** SHA-256 of its tokens in hex: two while one takes the other's place. */
  readonly sha256: readonly string[];
}

export interface TokenTable {
  /** @throws AppError `unauthenticated` without a known token, `forbidden` without one of `scopes`. */
  readonly check: (authorization: string | undefined, scopes: readonly string[]) => Caller;
}

const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

export const hashToken = (token: string): string => digest(token).toString('hex');

/** Every hash is compared, so that the time tells neither which was right nor how nearly. */
function callerOf(callers: readonly Caller[], token: string): Caller | undefined {
  const given = digest(token);
  let found: Caller | undefined;
  for (const caller of callers)
    for (const hash of caller.sha256) {
      const known = Buffer.from(hash, 'hex');
      if (known.length === given.length && timingSafeEqual(known, given)) found = caller;
    }
  return found;
}

/** @param callers asked at each check: they may change while the process runs. */
export function createTokenTable(callers: () => readonly Caller[]): TokenTable {
  return {
    check(authorization, scopes) {
      const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
      const caller = token === undefined ? undefined : callerOf(callers(), token);
      if (caller === undefined) throw new AppError('unauthenticated');
      if (!caller.scopes.some((scope) => scopes.includes(scope))) throw new AppError('forbidden');
      return caller;
    },
  };
}
