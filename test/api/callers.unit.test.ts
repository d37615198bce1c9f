import { describe, expect, test } from '@jest/globals';
import { parseCallers } from '../../api/callers.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { hashToken } from '../../lib/tokens.ts';

describe('the file of callers', () => {
  const one = { name: 'a', scopes: ['create'], tenants: ['t'], sha256: [hashToken('x')] };

  test('is read as it was written', () => {
    expect(parseCallers(JSON.stringify({ callers: [one] }))).toEqual([one]);
  });

  test.each([
    ['{', 'not JSON'],
    ['[]', 'expected object'],
    ['{"callers":{}}', 'callers: '],
    [JSON.stringify({ callers: [one, one] }), 'a name twice'],
    ...[
      null,
      { ...one, name: 1 },
      { ...one, scopes: 'create' },
      { ...one, scopes: ['root'] },
      { ...one, tenants: 't' },
      { ...one, sha256: ['x'] },
      { ...one, sha256: [1, 2, 3].map((n) => hashToken(`${n}`)) },
    ].map((wrong) => [JSON.stringify({ callers: [one, wrong] }), 'callers.1']),
  ])('%j is refused with its reason', (text, why) => {
    expect(() => parseCallers(text)).toThrow(ConfigError);
    expect(() => parseCallers(text)).toThrow(why);
  });
});
