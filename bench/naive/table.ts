/** Which slots there are and who has them: the whole memory of the naive plane. */
import { connect } from '../../db/client.ts';
import { openPool, runOn, type Run } from '../../db/cold/pool.ts';
import type { Address } from '../../model/wire.ts';

/** A database's slot, as of one epoch. */
export interface Claim {
  readonly database: string;
  readonly epoch: number;
  readonly host_url: string;
  readonly slot: number;
}

export type Row = Claim & {
  readonly state: 'suspended' | 'starting' | 'running';
  readonly address: Address | null;
};

export const SIZE = 'small';
const NAME = 'naive';
const CONNECTIONS_MAX = 20;
const STATEMENT_MS_MAX = 5_000;

const SCHEMA = `
create table slot (
  host_url text, slot integer, database text unique, primary key (host_url, slot)
);
create index slot_free on slot (slot) where database is null;
create table database (
  database text primary key, epoch bigint not null, state text not null default 'suspended',
  host_url text, slot integer, address jsonb
);`;

const COLUMNS = 'database, epoch, state, host_url, slot, address';

/** Raises the epoch and takes a slot, or neither. */
const CLAIM = `
with asleep as (
  select from database where database = $1 and state = 'suspended' for update
), free as (
  select host_url, slot from slot where database is null and exists (select from asleep)
   limit 1 for update skip locked
), taken as (
  update slot set database = $1 from free
   where slot.host_url = free.host_url and slot.slot = free.slot
  returning slot.host_url, slot.slot
)
update database set epoch = epoch + 1, state = 'starting', host_url = taken.host_url,
                    slot = taken.slot, address = null
  from taken where database = $1
returning database, epoch, state, database.host_url, database.slot, address`;

const FIND = `select ${COLUMNS} from database where database = $1`;

const RUNNING = `
update database set state = 'running', address = $3
 where database = $1 and epoch = $2 and state = 'starting'`;

const VACATE = `
with asleep as (
  update database set state = 'suspended', host_url = null, slot = null, address = null
   where database = $1 and epoch = $2 returning database
)
update slot set database = null from asleep where slot.database = asleep.database`;

export interface Table {
  /** The database as it is now: with this claim, or with what was there before. */
  readonly claim: (database: string) => Promise<Row | undefined>;
  readonly find: (database: string) => Promise<Row | undefined>;
  readonly running: (claim: Claim, address: Address) => Promise<void>;
  readonly vacate: (claim: Claim) => Promise<void>;
  readonly close: () => Promise<void>;
}

const statement = (run: Run, name: string, text: string) => (values: readonly unknown[]) =>
  run<Row>({ name, text }, values);

/** @param url of what `makeTable` has made. */
export function openTable(url: string, onIdleError: (error: Error) => void): Table {
  const pool = openPool({
    url,
    size: CONNECTIONS_MAX,
    name: NAME,
    statementTimeoutMs: STATEMENT_MS_MAX,
    settings: '-c synchronous_commit=off',
    onIdleError,
  });
  const run = runOn(pool);
  const statements = {
    claim: statement(run, 'claim', CLAIM),
    find: statement(run, 'find', FIND),
    running: statement(run, 'running', RUNNING),
    vacate: statement(run, 'vacate', VACATE),
  };
  return {
    claim: async (database) =>
      (await statements.claim([database]))[0] ?? (await statements.find([database]))[0],
    find: async (database) => (await statements.find([database]))[0],
    async running({ database, epoch }, address) {
      await statements.running([database, epoch, JSON.stringify(address)]);
    },
    async vacate({ database, epoch }) {
      await statements.vacate([database, epoch]);
    },
    close: () => pool.end(),
  };
}

export interface TableContent {
  readonly hosts: readonly string[];
  /** Of each host, of SIZE. */
  readonly slots: number;
  /** All of them asleep. */
  readonly databases: readonly { readonly id: string; readonly epoch: number }[];
}

/** Makes it on this server. @returns its address. */
export async function makeTable(serverUrl: string, content: TableContent): Promise<string> {
  const server = await connect(serverUrl);
  await server.query(`create database ${NAME}`);
  await server.end();
  const url = new URL(serverUrl);
  url.pathname = `/${NAME}`;
  const client = await connect(url.href);
  await client.query(SCHEMA);
  await client.query(
    'insert into slot (host_url, slot) select h, s from unnest($1::text[]) h, generate_series(1, $2::int) s',
    [content.hosts, content.slots],
  );
  await client.query(
    'insert into database (database, epoch) select * from unnest($1::text[], $2::bigint[])',
    [content.databases.map(({ id }) => id), content.databases.map(({ epoch }) => epoch)],
  );
  await client.end();
  return url.href;
}

/** After everything has been put to sleep behind its back. */
export async function resetTable(url: string): Promise<void> {
  const client = await connect(url);
  await client.query(
    `update database set state = 'suspended', host_url = null, slot = null, address = null;
     update slot set database = null where database is not null`,
  );
  await client.end();
}
