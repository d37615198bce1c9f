import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  DATABASE_ID_BYTES,
  DIRECTORY_ID_BYTES,
  base32,
  databaseIdOf,
  directoryIdOf,
  isDatabaseId,
  isDirectoryId,
  isHostId,
  isTenantName,
} from '../../model/ids.ts';
import { SUPERUSER, isTenantRole } from '../../model/tenant-role.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('base32', () => {
  /** RFC 4648 section 10, lower-case and without padding. */
  test.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('of "%s" is what the RFC says', (text, expected) => {
    const whole = Math.floor((text.length * 8) / 5);
    const given = new TextEncoder().encode(text);
    expect(base32(given, whole)).toBe(expected.slice(0, whole));
  });

  test('bytes that do not suffice are a bug of the caller', () => {
    expect(() => base32(new Uint8Array(12), 20)).toThrow('BUG: 12 bytes make no 20 characters');
  });

  test('different bytes give different ids', () => {
    fc.assert(
      fc.property(bytes(DIRECTORY_ID_BYTES), bytes(DIRECTORY_ID_BYTES), (a, b) => {
        const same = a.every((byte, i) => byte === b[i]);
        expect(directoryIdOf(a) === directoryIdOf(b)).toBe(same);
      }),
    );
  });
});

describe('ids', () => {
  test('what is made is a valid id and a DNS label', () => {
    fc.assert(
      fc.property(bytes(DATABASE_ID_BYTES), (random) => {
        const id = databaseIdOf(random);
        expect(isDatabaseId(id)).toBe(true);
        expect(isHostId(id)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(bytes(DIRECTORY_ID_BYTES), (random) => {
        expect(isDirectoryId(directoryIdOf(random))).toBe(true);
      }),
    );
  });

  test.each([
    '',
    'db-',
    'db-aaaaaaaaaaaaaaaaaaa',
    'db-aaaaaaaaaaaaaaaaaaaaa',
    'db-AAAAAAAAAAAAAAAAAAAA',
    'db-aaaaaaaaaaaaaaaaaaa1',
    'db-aaaaaaaaaaaaaaaaaaaa\n',
    '../aaaaaaaaaaaaaaaaaaaa',
  ])('%j is no database id', (id) => {
    expect(isDatabaseId(id)).toBe(false);
  });

  test.each(['', 'aaaaaaaaaaaaaaa', 'aaaaaaaaaaaaaaaaa', 'aaaaaaaa/aaaaaaa', '../../../../etc/p'])(
    '%j is no directory id',
    (id) => {
      expect(isDirectoryId(id)).toBe(false);
    },
  );

  test('hosts and tenants are DNS labels', () => {
    for (const is of [isHostId, isTenantName]) {
      expect(is('host-1')).toBe(true);
      expect(is('a')).toBe(true);
      expect(is(`a${'b'.repeat(62)}`)).toBe(true);
      for (const name of ['', '1host', 'host-', '-host', 'Host', 'a.b', 'ä', 'a'.repeat(64)])
        expect(is(name)).toBe(false);
    }
  });
});

describe('roles', () => {
  test('a client may name what Postgres takes as an identifier', () => {
    for (const role of ['owner', 'Ünïcode role', 'x'.repeat(63)])
      expect(isTenantRole(role)).toBe(true);
  });

  test('but not the superuser, nothing, too much, or a NUL', () => {
    for (const role of [SUPERUSER, '', 'x'.repeat(64), 'ä'.repeat(32), 'a\0b'])
      expect(isTenantRole(role)).toBe(false);
  });
});
