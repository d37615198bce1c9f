/** What a host's report may change in the index, and what it may not (docs/spec.md, invariants). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../db/client.ts';
import { databaseHeld } from '../../db/hot/database-held.ts';
import { databaseRaise } from '../../db/hot/database-raise.ts';
import { databaseRunning } from '../../db/hot/database-running.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { databaseSuspended } from '../../db/hot/database-suspend.ts';
import { eventInsert } from '../../db/hot/event-insert.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { AgentEvent } from '../../model/wire.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  DIRECTORY,
  HOST,
  databaseId,
  givenDatabase,
  incarnationOf,
  openTestHot,
  reportOf,
  run,
  runningSlot,
  slotsInTwoPlaces,
  startOf,
  stateOf,
} from '../support/rows.ts';

let database: TestDatabase;
let hot: Hot;
const id = databaseId(1);

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'slot_vacant', 'slot_warm', 'host', 'event'])
    await run(hot, `delete from ${table}`);
});

const vacant = async (): Promise<number[]> =>
  (await run<{ slot: number }>(hot, 'select slot from slot_vacant order by slot')).map(
    (row) => row.slot,
  );

describe('a sync', () => {
  it('is dropped whole if its version is not newer', async () => {
    expect(await hostSync(hot, reportOf(5, [], 4))).toBe(true);
    expect(await hostSync(hot, reportOf(5, [], 2))).toBe(false);
    expect(await hostSync(hot, reportOf(4, [], 2))).toBe(false);
    expect(await vacant()).toEqual([1, 2, 3, 4]);
  });

  it('of a later boot is newer, whatever its version', async () => {
    await hostSync(hot, reportOf(50, [], 4));
    expect(await hostSync(hot, { ...reportOf(0, [], 2), boot: 2 })).toBe(true);
    expect(await vacant()).toEqual([1, 2]);
  });

  it('does not clear an assignment that is being made', async () => {
    await hostSync(hot, reportOf(1, []));
    await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: 1 });
    await databaseStart(hot, startOf(id));
    await hostSync(hot, reportOf(2, []));
    expect(await stateOf(hot, id)).toEqual({ state: 'starting', epoch: 2 });
    expect(await vacant()).toHaveLength(7);
    expect(await slotsInTwoPlaces(hot)).toBe(0);
  });

  it('that is older than the attach it does not know of clears nothing', async () => {
    await givenDatabase(hot, { id, state: 'starting', epoch: 2, slot: 1 });
    await databaseRunning(hot, HOST, incarnationOf(id, 2, 9));
    await hostSync(hot, reportOf(8, []));
    expect(await stateOf(hot, id)).toEqual({ state: 'running', epoch: 2 });
    await hostSync(hot, reportOf(10, []));
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 2 });
  });

  it('that is older than the suspend does not wake the row again', async () => {
    await givenDatabase(hot, { id, state: 'running', epoch: 2, slot: 1, version: 5 });
    await databaseSuspended(hot, id, 2, { boot: 1, version: 9 });
    await hostSync(hot, reportOf(8, [runningSlot(id, 2, 1)]));
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 2 });
  });

  it('raises the epoch of a database that crashed and was started again in place', async () => {
    await givenDatabase(hot, { id, state: 'running', epoch: 2, slot: 1 });
    await hostSync(hot, reportOf(9, [runningSlot(id, 3, 1)]));
    expect(await stateOf(hot, id)).toEqual({ state: 'running', epoch: 3 });
  });

  it('with an older epoch than the index has changes nothing', async () => {
    await givenDatabase(hot, { id, state: 'starting', epoch: 4, slot: 1 });
    await hostSync(hot, reportOf(9, [runningSlot(id, 3, 1)]));
    expect(await stateOf(hot, id)).toEqual({ state: 'starting', epoch: 4 });
  });

  it('takes a slot from the database that the index believed there', async () => {
    const other = databaseId(2);
    await givenDatabase(hot, { id, state: 'starting', epoch: 4, slot: 1 });
    await givenDatabase(hot, { id: other, state: 'suspended', epoch: 6, slot: 1 });
    await hostSync(hot, reportOf(9, [runningSlot(other, 6, 1)]));
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 4 });
    expect(await stateOf(hot, other)).toEqual({ state: 'running', epoch: 6 });
    expect(await slotsInTwoPlaces(hot)).toBe(0);
  });

  it('beside a claim of a slot neither waits for it nor lists that slot as vacant', async () => {
    await hostSync(hot, reportOf(1, [], 1));
    await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: 1 });
    const claimer = await connect(database.url);
    await claimer.query('begin');
    // What a claim does, up to its commit.
    await claimer.query(`delete from slot_vacant where slot = 1`);
    await claimer.query(
      `insert into assignment (database_id, host_id, size, slot, epoch) values ($1, $2, 'small', 1, 2)`,
      [id, HOST],
    );
    await claimer.query(`update database set state = 'starting', epoch = 2 where id = $1`, [id]);
    expect(await hostSync(hot, reportOf(2, [], 1))).toBe(true);
    await claimer.query('commit');
    await claimer.end();
    expect(await vacant()).toEqual([]);
    expect(await slotsInTwoPlaces(hot)).toBe(0);
  });

  it('corrects the slot of a database that runs in another one than the index believes', async () => {
    await givenDatabase(hot, { id, state: 'running', epoch: 2, slot: 3 });
    await hostSync(hot, reportOf(9, [runningSlot(id, 2, 1)]));
    expect(await stateOf(hot, id)).toEqual({ state: 'running', epoch: 2 });
    const rows = await run<{ slot: number }>(hot, 'select slot from assignment');
    expect(rows).toEqual([{ slot: 1 }]);
    expect(await vacant()).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });

  it('lists no slot as vacant that a warm Postgres fills', async () => {
    const warm = { size: 'small', slot: 2, state: 'warm', directory: DIRECTORY, epoch: 1 } as const;
    await hostSync(hot, reportOf(1, [warm], 3));
    expect(await vacant()).toEqual([1, 3]);
    await hostSync(hot, reportOf(2, [], 3));
    expect(await vacant()).toEqual([1, 2, 3]);
  });
});

describe('the volume is ahead of the index', () => {
  it('raises the index to the epoch after the minted one', async () => {
    await givenDatabase(hot, { id, state: 'starting', epoch: 4, slot: 1 });
    expect(await databaseRaise(hot, id, 4, 9)).toBe(10);
    expect(await databaseRaise(hot, id, 4, 9)).toBeUndefined();
  });

  it('points at the incarnation that holds the directory', async () => {
    await hostSync(hot, reportOf(1, []));
    await givenDatabase(hot, { id, state: 'starting', epoch: 4, slot: 1 });
    await databaseHeld(hot, id, 4, 'host-2', 3);
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 3 });
    await hostSync(hot, reportOf(1, [runningSlot(id, 3, 2)], 8, 'host-2'));
    expect(await stateOf(hot, id)).toEqual({ state: 'running', epoch: 3 });
    // The claimed slot of the first host comes back although nothing changed there.
    await hostSync(hot, reportOf(1, []));
    expect(await vacant()).toContain(1);
  });
});

describe('events', () => {
  const event = (seq: number): AgentEvent => ({
    host: HOST,
    boot: 1,
    seq,
    kind: 'started',
    at: '2026-11-23T00:00:00.000Z',
    directory: DIRECTORY,
    database: id,
    epoch: 1,
    size: 'small',
  });

  it('are held once however often they are sent', async () => {
    await eventInsert(hot, [event(1), event(2)]);
    await eventInsert(hot, [event(2), event(3)]);
    const rows = await run<{ seq: number }>(hot, 'select seq from event order by id');
    expect(rows.map((row) => row.seq)).toEqual([1, 2, 3]);
  });

  it('beyond the bound are not taken', async () => {
    await eventInsert(hot, [event(1)]);
    await run(hot, `select setval(pg_get_serial_sequence('event', 'id'), 2000000)`);
    await eventInsert(hot, [event(2)]);
    expect(await eventInsert(hot, [event(3)])).toBe(false);
    const rows = await run<{ seq: number }>(hot, 'select seq from event order by id');
    expect(rows.map((row) => row.seq)).toEqual([1, 2]);
  });
});
