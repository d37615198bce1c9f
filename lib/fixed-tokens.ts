/** Callers that are known from the start, each by the one scope that is its name. */
import { createTokenTable } from './tokens.ts';
import type { TokenTable } from './callers.ts';

/**
 * @param hashes scope → SHA-256 of its token in hex, or of two with a `+` between them while one takes the
 * other's place (PILOTLIGHT_TOKENS).
 */
export function fixedTokens(hashes: Readonly<Record<string, string>>): TokenTable {
  const callers = Object.entries(hashes).map(([name, hash]) => ({
    name,
    scopes: [name],
    sha256: hash.split('+'),
  }));
  return createTokenTable(() => callers);
}
