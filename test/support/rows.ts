/** Puts the index into a state and reads it back: what tests of statements begin and end with. */
import type { StartCall } from '../../db/hot/rows.ts';
import { openHot } from '../../db/hot/pool.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { NewIdentity } from '../../model/identity.ts';
import type { DatabaseState } from '../../model/state.ts';
import type { HostReport, Incarnation, SlotReport } from '../../model/wire.ts';

export const DIRECTORY = 'aaaaaaaaaaaaaaaa';
export const HOST = 'host-1';

export const openTestHot = (url: string, size = 4): Hot =>
  openHot({ url, size, onIdleError: () => undefined });

export function databaseId(n: number): string {
  const digits = String(n).padStart(4, '0');
  const letters = digits.replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)));
  return `db-${'a'.repeat(16)}${letters}`;
}

export const identityOf = (id: string): NewIdentity => ({
  id,
  tenant: 'tenant',
  size: 'small',
  roles: { owner: { verifiers: ['v'] } },
  idle_ms: 1000,
  idle_sessions: 'close',
  ignore: [],
  allow: [],
  tls: 'optional',
  limits: {},
  labels: {},
  created_at: '2026-11-23T00:00:00.000Z',
  deleted_at: null,
});

export const run = async <Row>(hot: Hot, text: string, values: readonly unknown[] = []) =>
  hot.durable<Row>({ name: '', text }, values);

/** Until some session of this database waits for another one. */
export async function untilOneWaits(hot: Hot): Promise<void> {
  const waits = `select from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await run(hot, waits)).length === 0);
}

export interface Given {
  readonly id: string;
  readonly state: DatabaseState;
  readonly epoch: number;
  readonly slot: number;
  /** (boot, version) of the agent's answer that made the assignment. */
  readonly version?: number;
}

const WITH_ASSIGNMENT: readonly DatabaseState[] = ['starting', 'running', 'suspending'];

/** One database in this state, assigned to its slot of HOST where the state has an assignment. */
export async function givenDatabase(hot: Hot, given: Given): Promise<void> {
  const { id, state, epoch, slot, version = 5 } = given;
  await run(hot, `insert into tenant (name) values ('tenant') on conflict do nothing`);
  await run(
    hot,
    `insert into database (id, tenant, size, state, epoch, directory, last_host, said_boot,
       said_version, identity, identity_version, broken_reason, retry_at, deleted_at)
     values ($1, 'tenant', 'small', $2, $3, $4, $5, 1, $6, $7::jsonb, 1,
       case when $2 = 'broken' then 'test' end,
       case when $2 = 'broken' then now() + interval '1 hour' end,
       case when $2 = 'deleting' then now() end)`,
    [id, state, epoch, DIRECTORY, HOST, version, JSON.stringify(identityOf(id))],
  );
  if (!WITH_ASSIGNMENT.includes(state)) return;
  const made = state !== 'starting';
  await run(
    hot,
    `insert into assignment (database_id, host_id, size, slot, epoch, boot, version, socket, port,
       deadline)
     values ($1, $2, 'small', $3, $4, $5, $6, '/run/x', 5432, $7)`,
    [id, HOST, slot, epoch, made ? 1 : null, made ? version : null, made ? null : 'infinity'],
  );
}

/** A start of demand on HOST. */
export const startOf = (database: string, call: Partial<StartCall> = {}): StartCall => ({
  ...{ database, hosts: [HOST], silent: [], deadlineMs: 30_000, force: false, floor: null },
  ...call,
});

export interface Found {
  readonly state: DatabaseState;
  readonly epoch: number;
}

export async function stateOf(hot: Hot, id: string): Promise<Found | undefined> {
  const rows = await run<Found>(hot, 'select state, epoch from database where id = $1', [id]);
  return rows[0];
}

export const incarnationOf = (id: string, epoch: number, version = 6): Incarnation => ({
  database: id,
  directory: DIRECTORY,
  epoch,
  boot: 1,
  version,
  address: { socket: '/run/x', port: 5432 },
});

export const reportOf = (
  version: number,
  slots: readonly SlotReport[],
  capacity = 8,
  host = HOST,
): HostReport => ({
  host,
  url: 'http://127.0.0.1:1',
  boot: 1,
  version,
  capacity: { small: capacity },
  slots,
  volume: { id: 'v', kind: 'shared', free_bytes: 1, total_bytes: 1 },
});

export const runningSlot = (database: string, epoch: number, slot: number): SlotReport => ({
  size: 'small',
  slot,
  state: 'running',
  directory: DIRECTORY,
  epoch,
  database,
  address: { socket: '/run/x', port: 5432 },
});

/** What must hold of the index at every moment: a slot is in one place. */
export async function slotsInTwoPlaces(hot: Hot): Promise<number> {
  const rows = await run<{ n: number }>(
    hot,
    `select count(*) as n from (
       select host_id, size, slot from (
         select host_id, size, slot from slot_vacant
         union all select host_id, size, slot from slot_warm
         union all select host_id, size, slot from assignment) s
       group by 1, 2, 3 having count(*) > 1) twice`,
  );
  return rows[0]?.n ?? 0;
}
