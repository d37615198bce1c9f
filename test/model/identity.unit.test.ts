import { describe, expect, test } from '@jest/globals';
import { accessOf } from '../../model/access.ts';
import type { Identity } from '../../model/identity.ts';
import { IDLE_MS_MAX } from '../../model/limits.ts';
import { parseIdentity } from '../../model/identity-parse.ts';
import { isSizeName } from '../../model/sizes.ts';

const IDENTITY: Identity = {
  id: 'db-aaaaaaaaaaaaaaaaaaaa',
  tenant: 'acme',
  size: 'small',
  directory: 'bbbbbbbbbbbbbbbb',
  version: 1,
  roles: { owner: { verifiers: ['SCRAM-SHA-256$4096:c2FsdA==$a:b'] } },
  idle_ms: 10_000,
  idle_sessions: 'close',
  ignore: ['monitor'],
  allow: ['10.0.0.0/8'],
  tls: 'optional',
  limits: { connections: 10 },
  labels: { team: 'a' },
  created_at: '2026-01-01T00:00:00.000Z',
  deleted_at: null,
};

/** A field → what may not stand in it. */
const WRONG: Readonly<Record<keyof Required<Identity>, readonly unknown[]>> = {
  id: ['', 'db-1', 7, null],
  tenant: ['', 'Acme Inc', 7],
  size: ['huge', 'toString', 7, null],
  directory: ['', '../../../../etc', 7],
  version: [0, -1, 1.5, '1', Number.NaN],
  roles: [
    [],
    null,
    { owner: [] },
    { owner: {} },
    { owner: { verifiers: [7] } },
    { owner: { verifiers: [], login: true } },
  ],
  authid_seen: [null, [], { owner: 7 }],
  idle_ms: [-1, 1.5, IDLE_MS_MAX + 1, '10'],
  idle_sessions: ['open', null],
  ignore: ['psql', [7], null],
  allow: ['0.0.0.0/0', [7]],
  tls: ['maybe', null],
  limits: [[], { connections: '10' }],
  labels: [[], { team: 7 }],
  request: [null, 7],
  created_at: [null, 7],
  deleted_at: [7, false],
};

describe('the identity document', () => {
  test('that is right is read as it is', () => {
    expect(parseIdentity(IDENTITY)).toBe(IDENTITY);
    const deleted = { ...IDENTITY, deleted_at: '2026-01-02T00:00:00.000Z', idle_ms: 0 };
    expect(parseIdentity(deleted)).toBe(deleted);
    const other = { ...IDENTITY, idle_sessions: 'keep', tls: 'required', idle_ms: IDLE_MS_MAX };
    expect(parseIdentity(other)).toBe(other);
  });

  test.each(Object.entries(WRONG))('with a wrong %s is refused by that name', (field, values) => {
    for (const value of values)
      expect(parseIdentity({ ...IDENTITY, [field]: value })).toEqual({ wrong: field });
  });

  test.each(Object.keys(IDENTITY))('without %s is refused by that name', (field) => {
    const less = Object.fromEntries(Object.entries(IDENTITY).filter(([name]) => name !== field));
    expect(parseIdentity(less)).toEqual({ wrong: field });
  });

  test('that is no object is refused', () => {
    for (const value of [null, undefined, 'text', 7, [IDENTITY]])
      expect(parseIdentity(value)).toEqual({ wrong: 'document' });
  });
});

describe('sizes', () => {
  test('are known by their names only', () => {
    expect(isSizeName('small')).toBe(true);
    expect(isSizeName('constructor')).toBe(false);
    expect(isSizeName(1)).toBe(false);
  });
});

test('a proxy is told what it judges logins by, and no more', () => {
  expect(accessOf(IDENTITY)).toEqual({
    database: IDENTITY.id,
    tenant: 'acme',
    version: 1,
    roles: IDENTITY.roles,
    allow: ['10.0.0.0/8'],
    tls: 'optional',
    idle_ms: 10_000,
  });
});
