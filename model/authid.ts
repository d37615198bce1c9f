/**
 * What SQL says of a tenant's roles (`pg_authid`), and what of it is new. A password that was set in
 * SQL takes the place of all others of its role; one that was there at the last look already says
 * nothing, since the api may have rotated since. Whether a role may log in, and until when, SQL alone says.
 */
import type { Identity, RoleAccess } from './identity.ts';
import { isTenantRole } from './tenant-role.ts';

/** The document is read with every login, and written whole: with more roles it stays as it is. */
export const ROLES_MAX = 1_000;

export interface AuthidRole {
  readonly role: string;
  /** Tells passwords apart; '' = it has none. */
  readonly hash: string;
  /** What a client can log in by; undefined where there is nothing, or a kind that is not served (md5). */
  readonly verifier: string | undefined;
  readonly login: boolean;
  /** Milliseconds since 1970; null = for ever. */
  readonly validUntil: number | null;
}

type Roles = Pick<Identity, 'roles' | 'authid_seen'>;

function accessOf(found: AuthidRole, verifiers: readonly string[]): RoleAccess {
  return {
    verifiers,
    ...(found.login ? {} : { login: false }),
    ...(found.validUntil === null ? {} : { valid_until: found.validUntil }),
  };
}

const isSame = (a: RoleAccess | undefined, b: RoleAccess): boolean =>
  a?.verifiers === b.verifiers && a.login === b.login && a.valid_until === b.valid_until;

/**
 * @param authid every role of the tenant's.
 * @returns what becomes of the document; undefined if nothing has changed. Pure.
 */
export function takeAuthid(
  { roles, authid_seen = {} }: Roles,
  authid: readonly AuthidRole[],
): Required<Roles> | undefined {
  if (authid.length > ROLES_MAX) return undefined;
  const next = new Map<string, RoleAccess>();
  const seen = new Map<string, string>();
  let changed = false;
  for (const found of authid) {
    const { role, hash, verifier } = found;
    const known = Object.hasOwn(roles, role) ? roles[role] : undefined;
    // A group, or a role that has not got its password yet.
    if (!isTenantRole(role) || (known === undefined && hash === '')) continue;
    // What a create makes has no password in SQL.
    const before = Object.hasOwn(authid_seen, role) ? authid_seen[role] : '';
    const kept = known !== undefined && hash === before;
    const verifiers = kept ? known.verifiers : verifier === undefined ? [] : [verifier];
    const access = accessOf(found, verifiers);
    next.set(role, access);
    if (hash !== '') seen.set(role, hash);
    changed ||= !kept || !isSame(known, access);
  }
  changed ||= Object.keys(roles).some((role) => !next.has(role));
  // By entries: a role may be called __proto__.
  const [all, hashes] = [Object.fromEntries(next), Object.fromEntries(seen)];
  return changed ? { roles: all, authid_seen: hashes } : undefined;
}
