/** What a tenant's Postgres says of its roles: read by the superuser, over a connection that is kept. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { ROLES_MAX, type AuthidRole } from '../../model/authid.ts';
import { SUPERUSER } from '../../model/tenant-role.ts';
import { parseVerifier } from '../../lib/verifier.ts';
import type { Address } from '../../model/wire.ts';
import { openAsSuperuser } from './superuser.ts';

/** Names with pg_ are Postgres' own: nobody can make another. */
const TEXT = `
  select rolname as role, rolpassword as password, rolcanlogin as login,
         case when rolvaliduntil = '-infinity' then 0
              when isfinite(rolvaliduntil) then (extract(epoch from rolvaliduntil) * 1000)::float8
         end as valid_until
    from pg_authid where rolname !~ '^pg_' and rolname <> '${SUPERUSER}'
   limit ${ROLES_MAX + 1}`;

interface Row {
  readonly role: string;
  readonly password: string | null;
  readonly login: boolean;
  readonly valid_until: number | null;
}

function roleOf({ role, password, login, valid_until: validUntil }: Row): AuthidRole {
  const hash = password === null ? '' : createHash('sha256').update(password).digest('hex');
  // The other kind, md5, can not be checked by a SCRAM exchange.
  const isServed = password !== null && parseVerifier(password) !== undefined;
  return { role, hash, verifier: isServed ? password : undefined, login, validUntil };
}

/** @throws what pg throws. */
export async function readAuthid(client: pg.ClientBase): Promise<readonly AuthidRole[]> {
  const { rows } = await client.query<Row>({ name: 'authid', text: TEXT });
  return rows.map(roleOf);
}

export interface AuthidReader {
  /** @throws what pg throws, also if it is not answered in time: the reader is of no use any more then. */
  readonly read: () => Promise<readonly AuthidRole[]>;
  readonly end: () => Promise<void>;
}

/** @throws what pg throws if Postgres does not answer within `timeoutMs`. */
export async function openAuthid(address: Address, timeoutMs: number): Promise<AuthidReader> {
  const client = await openAsSuperuser(address, timeoutMs);
  return {
    read: () => readAuthid(client),
    end: () => client.end().catch(() => undefined),
  };
}
