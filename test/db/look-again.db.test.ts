/**
 * Who waits for a database's row sees what is assigned as of before it waited: nothing may be left behind
 * for that. And who gives up on a start asks for the report of whoever may run it yet.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type Client } from '../../db/client.ts';
import { assignmentSweep } from '../../db/hot/assignment-sweep.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseStartFailed } from '../../db/hot/database-start-failed.ts';
import { databaseKept } from '../../db/hot/database-suspend.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import { resyncFind } from '../../db/hot/resync-find.ts';
import type { Hot } from '../../db/hot/hot.ts';
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
  runningSlot,
  stateOf,
  untilOneWaits,
} from '../support/rows.ts';

const id = databaseId(1);
const DELETED = '2026-11-23T00:00:00.000Z';

let database: TestDatabase;
let hot: Hot;
let reporter: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url);
  reporter = await connect(database.url);
});
afterAll(async () => {
  await reporter.end();
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'slot_vacant', 'host', 'resync'])
    await run(hot, `delete from ${table}`);
});

/** A report by which `id` runs as 2 after all, up to its commit. */
async function reportUnderWay(): Promise<void> {
  await givenDatabase(hot, { id, state: 'suspended', epoch: 2, slot: 1, version: 5 });
  const report = reportOf(9, [runningSlot(id, 2, 1)]);
  const { host, url, boot, version, capacity, slots } = report;
  await reporter.query('begin');
  await reporter.query('select host_sync($1, $2, $3, $4, false, $5, $6)', [
    ...[host, url, boot, version],
    ...[JSON.stringify(capacity), JSON.stringify(slots)],
  ]);
}

const assignments = async (): Promise<number> => (await run(hot, 'select from assignment')).length;

describe('beside a report that makes an assignment', () => {
  it('a delete leaves none behind, and its host is heard again', async () => {
    await reportUnderWay();
    const document = { ...identityOf(id), directory: DIRECTORY, version: 2, deleted_at: DELETED };
    const deleted = databaseIdentity(hot, document);
    await untilOneWaits(hot);
    await reporter.query('commit');
    expect(await deleted).toEqual({ host: HOST, epoch: 2 });
    expect(await stateOf(hot, id)).toEqual({ state: 'deleting', epoch: 2 });
    expect(await assignments()).toBe(0);
    expect(await resyncFind(hot)).toEqual([HOST]);
  });
});

describe('whoever may run it yet is heard again', () => {
  const resynced = async (): Promise<readonly string[]> => [...(await resyncFind(hot))].sort();

  beforeEach(async () => {
    // It ran on HOST, and is being started on host-2.
    await givenDatabase(hot, { id, state: 'starting', epoch: 2, slot: 1 });
    await run(hot, `update assignment set host_id = 'host-2', deadline = now() - interval '1 s'`);
  });

  it('after a start that failed', async () => {
    await databaseStartFailed(hot, id, 2, false, 'test');
    expect(await resynced()).toEqual([HOST, 'host-2']);
  });

  it('after a deadline', async () => {
    await assignmentSweep(hot, '');
    expect(await resynced()).toEqual([HOST, 'host-2']);
  });

  it('after a claim of a slot in which another runs', async () => {
    const other = databaseId(2);
    await givenDatabase(hot, { id: other, state: 'suspended', epoch: 6, slot: 1 });
    await hostSync(hot, reportOf(9, [runningSlot(other, 6, 1)], 8, 'host-2'));
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 2 });
    expect(await resynced()).toEqual([HOST]);
  });

  it('after a suspend of which nobody knows what it did', async () => {
    await run(hot, `update database set state = 'suspending'`);
    await databaseKept(hot, id, 2);
    expect(await resynced()).toEqual(['host-2']);
  });
});
