import { describe, expect, test } from '@jest/globals';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { createTokenTable, hashToken } from '../../lib/tokens.ts';
import type { TokenTable } from '../../lib/callers.ts';
import { AppError, codeOf } from '../../model/errors.ts';

const fixed = fixedTokens({
  proxy: hashToken('of the proxy'),
  operator: hashToken('of the operator'),
  broken: 'abcd',
});

function codeFor(
  authorization: string | undefined,
  scopes: readonly string[],
  table: TokenTable = fixed,
): string {
  try {
    return `ok ${table.check(authorization, scopes).name}`;
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return codeOf(error);
  }
}

describe('bearer tokens', () => {
  test('a known token has its scope', () => {
    expect(codeFor('Bearer of the proxy', ['proxy', 'host'])).toBe('ok proxy');
    expect(codeFor('Bearer of the operator', ['operator'])).toBe('ok operator');
  });

  test('a known token of another scope is forbidden', () => {
    expect(codeFor('Bearer of the proxy', ['operator'])).toBe('forbidden');
    expect(codeFor('Bearer of the proxy', [])).toBe('forbidden');
  });

  test.each([
    undefined,
    '',
    'Bearer ',
    'Bearer unknown',
    'Basic of the proxy',
    'of the proxy',
    `Bearer ${hashToken('of the proxy')}`,
  ])('%j is nobody', (authorization) => {
    expect(codeFor(authorization, ['proxy'])).toBe('unauthenticated');
  });

  test('of a scope may be two while one takes the place of the other', () => {
    const table = fixedTokens({ api: `${hashToken('old')}+${hashToken('new')}` });
    for (const token of ['old', 'new'])
      expect(codeFor(`Bearer ${token}`, ['api'], table)).toBe('ok api');
    expect(codeFor('Bearer other', ['api'], table)).toBe('unauthenticated');
  });

  test('a table without callers knows nobody', () => {
    expect(() => fixedTokens({}).check('Bearer x', ['proxy'])).toThrow(AppError);
  });

  test('of one name count both, and tell whose they are', () => {
    const caller = {
      name: 'acme',
      scopes: ['create', 'operator'],
      tenants: ['acme'],
      sha256: [hashToken('old'), hashToken('new')],
    };
    const table = createTokenTable(() => [caller]);
    for (const token of ['old', 'new'])
      expect(table.check(`Bearer ${token}`, ['create'])).toBe(caller);
    expect(codeFor('Bearer older', ['create'], table)).toBe('unauthenticated');
  });
});
