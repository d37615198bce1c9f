/** Bearer tokens of callers: compared by hash, in constant time, with the scopes they carry. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../model/errors.ts';

export interface TokenTable {
  /**
   * @returns the scope of the token.
   * @throws AppError `unauthenticated` without a known token, `forbidden` with one of another scope.
   */
  readonly check: (authorization: string | undefined, scopes: readonly string[]) => string;
}

export const hashToken = (token: string): string =>
  createHash('sha256').update(token).digest('hex');

/** @param hashes scope → SHA-256 of its token in hex. */
export function createTokenTable(hashes: Readonly<Record<string, string>>): TokenTable {
  const entries = Object.entries(hashes).map(([scope, hash]) => ({
    scope,
    hash: Buffer.from(hash, 'hex'),
  }));

  function scopeOf(token: string): string | undefined {
    const given = createHash('sha256').update(token).digest();
    let found: string | undefined;
    for (const { scope, hash } of entries) {
      if (hash.length === given.length && timingSafeEqual(hash, given)) found = scope;
    }
    return found;
  }

  return {
    check(authorization, scopes) {
      const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
      const scope = token === undefined ? undefined : scopeOf(token);
      if (scope === undefined) throw new AppError('unauthenticated');
      if (!scopes.includes(scope)) throw new AppError('forbidden');
      return scope;
    },
  };
}
