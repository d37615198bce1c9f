/** Fills an index with sleeping databases and vacant slots, as many as a bench asks for. */
import { createHash } from 'node:crypto';
import type { Client } from '../db/client.ts';
import type { NewIdentity } from '../model/identity.ts';
import { TENANT_LIMITS } from '../model/limits.ts';

export interface BenchHost {
  readonly host: string;
  readonly slots: number;
}

/** The id of the n-th database: spread over the key range as random ones are. The SQL has the same. */
export function benchDatabaseId(n: number): string {
  const hex = createHash('md5').update(String(n)).digest('hex').slice(0, 20);
  return `db-${hex.replace(/[0189]/g, (digit) => 'ghij'.charAt('0189'.indexOf(digit)))}`;
}

const ID = `'db-' || translate(substr(md5(n::text), 1, 20), '0189', 'ghij')`;

/** As large as a real one: one role with one verifier. */
const identity: Omit<NewIdentity, 'id'> = {
  tenant: 'bench',
  size: 'small',
  roles: { owner: { verifiers: [`SCRAM-SHA-256$4096:${'s'.repeat(24)}$${'v'.repeat(89)}`] } },
  idle_ms: 300_000,
  idle_sessions: 'close',
  ignore: [],
  allow: [],
  tls: 'optional',
  limits: {},
  labels: {},
  created_at: '2026-11-23T00:00:00.000Z',
  deleted_at: null,
};

/** What is measured is not held back for its tenant's sake. */
const NO_LIMITS = JSON.stringify(
  Object.fromEntries(Object.keys(TENANT_LIMITS).map((name) => [name, 1_000_000_000])),
);

export async function insertTenant(client: Client, name: string): Promise<void> {
  await client.query('insert into tenant (name, limits) values ($1, $2::jsonb)', [name, NO_LIMITS]);
}

/** @param databases that sleep; they ran last on a host of the list, evenly. */
export async function fillIndex(
  client: Client,
  databases: number,
  hosts: readonly BenchHost[],
): Promise<void> {
  // The foreign keys of a million rows are right by construction.
  await client.query('set session_replication_role = replica');
  await insertTenant(client, 'bench');
  await client.query(
    `insert into host (host_id, url, boot, version)
     select u, 'http://127.0.0.1:1', 1, 0 from unnest($1::text[]) u`,
    [hosts.map(({ host }) => host)],
  );
  await client.query(
    `insert into database (id, tenant, size, state, epoch, directory, last_host, said_boot,
       said_version, identity, identity_version)
     select id, 'bench', 'small', 'suspended', 1, substr(id, 4, 16), ($2::text[])[1 + n % $3::int],
       1, 0, $4::jsonb || jsonb_build_object('id', id), 1
       from (select n, ${ID} as id from generate_series(0, $1::int - 1) n) d`,
    [databases, hosts.map(({ host }) => host), hosts.length, JSON.stringify(identity)],
  );
  await client.query(
    `insert into slot_vacant (size, host_id, slot)
     select 'small', u.host, n
       from unnest($1::text[], $2::int[]) as u(host, slots), generate_series(1, u.slots) n`,
    [hosts.map(({ host }) => host), hosts.map(({ slots }) => slots)],
  );
  await client.query('set session_replication_role = origin');
  await client.query('vacuum (analyze, freeze)');
}
