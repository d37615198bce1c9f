/** Statements that are asked for at once go as one; who has to wait for a lock does so alone. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../db/client.ts';
import { databaseRunning } from '../../db/hot/database-running.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { databaseSuspend, databaseSuspended } from '../../db/hot/database-suspend.ts';
import { createGather } from '../../db/hot/gather.ts';
import type { Run } from '../../db/hot/hot.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { AppError } from '../../model/errors.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  HOST,
  databaseId,
  givenDatabase,
  incarnationOf,
  openTestHot,
  reportOf,
  run,
  slotsInTwoPlaces,
  startOf,
  stateOf,
} from '../support/rows.ts';

const COUNT = 40;
const ids = Array.from({ length: COUNT }, (_, n) => databaseId(n));

let database: TestDatabase;
let hot: Hot;
let version = 1;
/** Names of the statements as they went to the server. */
let sent: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const real = openTestHot(database.url, 8);
  const quick: Run = (statement, values) => {
    sent.push(statement.name);
    return real.quick(statement, values);
  };
  hot = { ...real, quick, gather: createGather(quick) };
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'slot_vacant', 'slot_warm'])
    await run(hot, `delete from ${table}`);
  await hostSync(hot, reportOf(version++, [], COUNT));
  for (const id of ids) await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: 1 });
  sent = [];
});

const startAll = () => Promise.all(ids.map((id) => databaseStart(hot, startOf(id))));

describe('gathered statements', () => {
  it('carry many databases through start and suspend in few round trips', async () => {
    const claims = await startAll();
    expect(new Set(claims.map((claim) => claim?.slot)).size).toBe(COUNT);
    expect(claims.every((claim) => claim?.epoch === 2 && claim.tenant === 'tenant')).toBe(true);
    await Promise.all(ids.map((id) => databaseRunning(hot, HOST, incarnationOf(id, 2))));
    const hosts = await Promise.all(ids.map((id) => databaseSuspend(hot, id, 2, 1_000)));
    expect(new Set(hosts)).toEqual(new Set([HOST]));
    await Promise.all(
      ids.map((id) => databaseSuspended(hot, id, 2, { boot: 1, version: version++ })),
    );
    expect(await run(hot, 'select from slot_vacant')).toHaveLength(COUNT);
    expect(await slotsInTwoPlaces(hot)).toBe(0);
    for (const id of ids) expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 2 });
    expect(sent.filter((name) => name.startsWith('databases-')).length).toBeLessThan(20);
  });

  it('that wait for a lock keep none of the others waiting', async () => {
    const other = await connect(database.url);
    await other.query('begin');
    // More than there are lanes, and first in line.
    const held = ids.slice(0, 5);
    await other.query('select from database where id = any ($1) for update', [held]);
    const locked = Promise.all(held.map((id) => databaseStart(hot, startOf(id))));
    const rest = await Promise.all(ids.slice(5).map((id) => databaseStart(hot, startOf(id))));
    expect(rest.every((claim) => claim?.epoch === 2)).toBe(true);
    await other.query('commit');
    await other.end();
    expect((await locked).every((claim) => claim?.epoch === 2)).toBe(true);
  });

  it('beyond the room that is left answer that there is none, and change nothing', async () => {
    await run(hot, 'delete from slot_vacant where slot > 10');
    const claims = await startAll();
    const got = claims.filter((claim) => claim?.host === HOST).length;
    expect(got).toBe(10);
    expect(claims.filter((claim) => claim?.epoch === null)).toHaveLength(COUNT - 10);
    expect(await run(hot, 'select from assignment')).toHaveLength(10);
  });

  it('of one database at once have one slot and one epoch', async () => {
    const claims = await Promise.all(ids.map(() => databaseStart(hot, startOf(ids[0] ?? ''))));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
    expect(await run(hot, 'select from assignment')).toHaveLength(1);
  });

  it('do not wait in a ring with each other or with a report', async () => {
    const cycle = async (id: string): Promise<void> => {
      for (let n = 0; n < 5; n++) {
        const claim = await databaseStart(hot, startOf(id));
        if (typeof claim?.epoch !== 'number') continue;
        await databaseRunning(hot, HOST, incarnationOf(id, claim.epoch, version++));
        await databaseSuspend(hot, id, claim.epoch, 1_000);
        await databaseSuspended(hot, id, claim.epoch, { boot: 1, version: version++ });
      }
    };
    let done = false;
    const cycles = Promise.all(ids.map(cycle)).finally(() => (done = true));
    while (!done) await hostSync(hot, reportOf(version++, [], COUNT));
    await cycles;
    expect(await slotsInTwoPlaces(hot)).toBe(0);
    const rows = await run<{ deadlocks: number }>(
      hot,
      'select deadlocks from pg_stat_database where datname = current_database()',
    );
    expect(rows).toEqual([{ deadlocks: 0 }]);
  });

  it('fail together where the server is not there', async () => {
    const gone = createGather(() => Promise.reject(new AppError('unavailable')));
    const calls = ids.map((id) => databaseStart({ ...hot, gather: gone }, startOf(id)));
    const ends = await Promise.allSettled(calls);
    expect(ends.every((end) => end.status === 'rejected')).toBe(true);
  });
});
