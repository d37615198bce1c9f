import { describe, expect, test } from '@jest/globals';
import { makePassword, makeVerifier, parseVerifier, withPassword } from '../../lib/verifier.ts';
import { SCRAM_ITERATIONS } from '../../model/limits.ts';

const SALT = Buffer.alloc(16, 7);

const verifiersOf = (roles: Readonly<Record<string, { readonly verifiers: readonly string[] }>>) =>
  roles['owner']?.verifiers ?? [];

describe('a password', () => {
  test('has 144 bits, and is never the same twice', () => {
    expect(makePassword()).toMatch(/^[A-Za-z0-9_-]{24}$/);
    expect(makePassword()).not.toBe(makePassword());
  });

  test('of a role without one makes its first verifier', async () => {
    const { roles } = await withPassword({ owner: { verifiers: [] } }, 'owner', 'new');
    const [made] = verifiersOf(roles).map(parseVerifier);
    expect(made?.iterations).toBe(SCRAM_ITERATIONS);
    expect(made?.salt).toHaveLength(16);
  });

  test('comes beside the oldest with its salt and iterations, and in the place of an earlier new one', async () => {
    const old = await makeVerifier('old', SALT, 5000);
    const before = { owner: { verifiers: [old] }, other: { verifiers: ['x'] } };
    const first = await withPassword(before, 'owner', 'one');
    const second = await withPassword(first.roles, 'owner', 'two');
    expect(verifiersOf(second.roles)).toEqual([old, await makeVerifier('two', SALT, 5000)]);
    expect(second.roles['other']).toEqual({ verifiers: ['x'] });
  });

  test('takes the place of what is no SCRAM verifier', async () => {
    const { roles } = await withPassword({ owner: { verifiers: ['md5abc'] } }, 'owner', 'new');
    expect(verifiersOf(roles)).toHaveLength(1);
    expect(parseVerifier(verifiersOf(roles)[0] ?? '')).toBeDefined();
  });

  test('is the only one after a revoke, however often that is asked', async () => {
    const old = await makeVerifier('old', SALT, 4096);
    const added = await withPassword({ owner: { verifiers: [old] } }, 'owner', 'new');
    const revoked = await withPassword(added.roles, 'owner', undefined);
    expect(verifiersOf(revoked.roles)).toEqual([await makeVerifier('new', SALT, 4096)]);
    expect(await withPassword(revoked.roles, 'owner', undefined)).toEqual(revoked);
  });

  test('takes the place of all if that is wanted, and keeps their salt', async () => {
    const verifiers = [
      await makeVerifier('old', SALT, 5000),
      await makeVerifier('new', SALT, 5000),
    ];
    const { roles } = await withPassword({ owner: { verifiers } }, 'owner', 'one', true);
    expect(verifiersOf(roles)).toEqual([await makeVerifier('one', SALT, 5000)]);
  });

  test('of a role that there is not is refused', async () => {
    for (const role of ['other', 'toString'])
      await expect(withPassword({ owner: { verifiers: [] } }, role, 'x')).rejects.toMatchObject({
        code: 'bad_request',
      });
  });
});
