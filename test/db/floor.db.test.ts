/** The floor: what maintenance leaves to demand. And what a delete and an undelete do to the index. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../db/client.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { SlotReport } from '../../model/wire.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  DIRECTORY,
  HOST,
  databaseId,
  givenDatabase,
  identityOf,
  openTestHot,
  reportOf,
  run,
  startOf,
  stateOf,
} from '../support/rows.ts';

let database: TestDatabase;
let hot: Hot;
let version = 1;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 8);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'slot_vacant', 'slot_warm', 'event', 'resync'])
    await run(hot, `delete from ${table}`);
});

const vacant = async (): Promise<number> =>
  (await run<{ n: number }>(hot, 'select count(*) as n from slot_vacant'))[0]?.n ?? 0;

const sync = (capacity: number, slots: readonly SlotReport[] = [], host = HOST) =>
  hostSync(hot, reportOf(version++, slots, capacity, host));

const asleep = (n: number) =>
  givenDatabase(hot, { id: databaseId(n), state: 'suspended', epoch: 1, slot: 1 });

const start = (n: number, floor: number | null, hosts: readonly string[] = [HOST]) =>
  databaseStart(hot, startOf(databaseId(n), { hosts, floor }));

describe('a start of maintenance', () => {
  it('claims while more than the floor is vacant, and then leaves the database as it was', async () => {
    await sync(4);
    for (const n of [1, 2, 3]) await asleep(n);
    expect(await start(1, 2)).toMatchObject({ epoch: 2, host: HOST });
    expect(await start(2, 2)).toMatchObject({ epoch: 2, host: HOST });
    expect(await start(3, 2)).toBeUndefined();
    expect(await stateOf(hot, databaseId(3))).toEqual({ state: 'suspended', epoch: 1 });
    expect(await vacant()).toBe(2);
    // Demand is what it was left for.
    expect(await start(3, null)).toMatchObject({ epoch: 2, host: HOST });
  });

  it('never goes below the floor, however many claim at once', async () => {
    await sync(10);
    const all = Array.from({ length: 12 }, (_, n) => n);
    for (const n of all) await asleep(n);
    const claims = await Promise.all(all.map((n) => start(n, 4)));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(6);
    expect(await vacant()).toBe(4);
  });

  it('waits for another claim of maintenance, and counts when that has ended', async () => {
    await sync(3);
    await asleep(1);
    const other = await connect(database.url);
    await other.query('begin');
    await other.query(`select above_floor('small', array['${HOST}'], 2)`);
    let answered = false;
    const claim = start(1, 2).finally(() => (answered = true));
    const waits = `select from pg_locks where locktype = 'advisory' and not granted`;
    while (!answered && (await other.query(waits)).rows.length === 0);
    await other.query('delete from slot_vacant where slot = 1');
    await other.query('commit');
    await other.end();
    expect(await claim).toBeUndefined();
  });

  it('counts only the hosts that are named', async () => {
    await sync(2);
    await sync(8, [], 'host-2');
    await asleep(1);
    expect(await start(1, 2, [HOST])).toBeUndefined();
    expect(await start(1, 4, [HOST, 'host-2'])).toBeDefined();
  });

  it('evicts no warm slot', async () => {
    const warm: SlotReport = {
      size: 'small',
      slot: 1,
      state: 'warm',
      directory: 'w'.repeat(16),
      epoch: 1,
      address: { socket: '/run/w', port: 5432 },
    };
    await sync(2, [warm]);
    for (const n of [1, 2]) await asleep(n);
    const other = await connect(database.url);
    // Somebody is just taking the only vacant one.
    await other.query('begin');
    await other.query('select from slot_vacant for update');
    expect(await start(1, 0)).toMatchObject({ host: null });
    expect(await start(2, null)).toMatchObject({ evicts: true });
    await other.query('commit');
    await other.end();
  });
});

describe('a tombstone', () => {
  const document = (id: string, at: number, deleted: boolean) =>
    databaseIdentity(hot, {
      ...identityOf(id),
      directory: DIRECTORY,
      version: at,
      deleted_at: deleted ? '2026-11-23T00:00:00.000Z' : null,
    });
  const kinds = async () =>
    (await run<{ kind: string }>(hot, 'select kind from event order by id')).map((row) => row.kind);

  it('ends the assignment and says where it was', async () => {
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'running', epoch: 3, slot: 1 });
    expect(await document(id, 2, true)).toEqual({ host: HOST, epoch: 3 });
    expect(await run(hot, 'select from assignment')).toEqual([]);
    expect(await run(hot, 'select host_id from resync')).toEqual([{ host_id: HOST }]);
    expect(await kinds()).toEqual(['database_deleted']);
  });

  it('that is taken back leaves the database asleep and fit to be started', async () => {
    const id = databaseId(1);
    await sync(4);
    await givenDatabase(hot, { id, state: 'running', epoch: 3, slot: 1 });
    await document(id, 2, true);
    expect(await document(id, 3, false)).toBeUndefined();
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 3 });
    expect(await run(hot, 'select deleted_at from database')).toEqual([{ deleted_at: null }]);
    expect(await kinds()).toEqual(['database_deleted', 'database_undeleted']);
    expect(await start(1, null)).toMatchObject({ epoch: 4, host: HOST });
  });

  it('that is older than what is known changes nothing', async () => {
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });
    await document(id, 4, false);
    await document(id, 3, true);
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 3 });
    expect(await kinds()).toEqual(['database_changed']);
  });
});
