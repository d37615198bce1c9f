/** What of a tenant's roles in SQL is new to the identity document. */
import { expect, test } from '@jest/globals';
import { ROLES_MAX, takeAuthid, type AuthidRole } from '../../model/authid.ts';

const role = (name: string, password = '', other: Partial<AuthidRole> = {}): AuthidRole => ({
  role: name,
  hash: password && `hash of ${password}`,
  verifier: password ? `SCRAM ${password}` : undefined,
  login: true,
  validUntil: null,
  ...other,
});
const OWNER = { roles: { owner: { verifiers: ['of the api'] } } };

test('what a create has made is not new', () => {
  expect(takeAuthid(OWNER, [role('owner')])).toBeUndefined();
});

test('a password of SQL takes the place of all others, once', () => {
  const taken = takeAuthid(OWNER, [role('owner', 'a')]);
  expect(taken).toEqual({
    roles: { owner: { verifiers: ['SCRAM a'] } },
    authid_seen: { owner: 'hash of a' },
  });
  // A rotation since then stays, until SQL says something new.
  const rotated = { ...taken, roles: { owner: { verifiers: ['rotated', 'SCRAM a'] } } };
  expect(takeAuthid(rotated, [role('owner', 'a')])).toBeUndefined();
  expect(takeAuthid(rotated, [role('owner', 'b')])?.roles).toEqual({
    owner: { verifiers: ['SCRAM b'] },
  });
  expect(takeAuthid(rotated, [role('owner')])).toEqual({
    roles: { owner: { verifiers: [] } },
    authid_seen: {},
  });
});

test('roles come with their passwords and go when they are dropped', () => {
  expect(takeAuthid(OWNER, [role('owner'), role('group', '', { login: false })])).toBeUndefined();
  const made = takeAuthid(OWNER, [role('owner'), role('app', 'a'), role('__proto__', 'b')]);
  expect(Object.entries(made?.roles ?? {})).toEqual([
    ['owner', { verifiers: ['of the api'] }],
    ['app', { verifiers: ['SCRAM a'] }],
    ['__proto__', { verifiers: ['SCRAM b'] }],
  ]);
  expect(takeAuthid(made ?? OWNER, [role('app', 'a'), role('__proto__', 'b')])?.roles).toEqual(
    Object.fromEntries(Object.entries(made?.roles ?? {}).slice(1)),
  );
});

test('whether a role may log in, and until when, is as SQL says, whoever has set its password', () => {
  const closed = takeAuthid(OWNER, [role('owner', '', { login: false, validUntil: 5 })]);
  expect(closed).toEqual({
    roles: { owner: { verifiers: ['of the api'], login: false, valid_until: 5 } },
    authid_seen: {},
  });
  expect(takeAuthid(closed ?? OWNER, [role('owner')])?.roles).toEqual(OWNER.roles);
});

test('a password of a kind that is not served opens nothing, nor does the one before it', () => {
  expect(takeAuthid(OWNER, [role('owner', 'md5', { verifier: undefined })])).toEqual({
    roles: { owner: { verifiers: [] } },
    authid_seen: { owner: 'hash of md5' },
  });
});

test('the superuser is no role of the tenant', () => {
  expect(takeAuthid(OWNER, [role('owner'), role('pilot', 'a')])).toBeUndefined();
});

test('with more roles than the document may have it stays as it is', () => {
  const roles = Array.from({ length: ROLES_MAX }, (_, n) => role(`r${n}`, 'a'));
  expect(takeAuthid(OWNER, roles)).toBeDefined();
  expect(takeAuthid(OWNER, [...roles, role('owner')])).toBeUndefined();
});
