import { describe, expect, test } from '@jest/globals';
import { createTokenTable, hashToken } from '../../lib/tokens.ts';
import { AppError, codeOf } from '../../model/errors.ts';

const table = createTokenTable({
  proxy: hashToken('of the proxy'),
  operator: hashToken('of the operator'),
  broken: 'abcd',
});

function codeFor(authorization: string | undefined, scopes: readonly string[]): string {
  try {
    return `ok ${table.check(authorization, scopes)}`;
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

  test('a table without callers knows nobody', () => {
    expect(() => createTokenTable({}).check('Bearer x', ['proxy'])).toThrow(AppError);
  });
});
