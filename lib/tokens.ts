/** Bearer tokens of callers: compared by hash, in constant time, with the scopes they carry. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import type { Caller, TokenTable } from './callers.ts';

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
