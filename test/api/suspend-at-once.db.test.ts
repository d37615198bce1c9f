/**
 * A start is answered before the index has heard of it; a suspend that follows at once is still one.
 * Hosts are simulated (host/sim.ts).
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Context, Parts } from '../../api/context.ts';
import { createDatabase } from '../../api/create.ts';
import { createStarter } from '../../api/start.ts';
import { suspendDatabase } from '../../api/suspend.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { createFleet } from '../../model/fleet.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot, run } from '../support/rows.ts';
import { createSimFleet, type SimFleet } from '../support/sim-fleet.ts';

const SPEC = {
  ...({ size: 'small', idle_ms: 1_000, idle_sessions: 'close', tls: 'optional' } as const),
  ...{ tenant: 'a', ignore: [], allow: [], labels: {} },
};

let database: TestDatabase;
let hot: Hot;
let fleet: SimFleet;
let id: string;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 4);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'tenant', 'host', 'slot_vacant', 'slot_warm'])
    await run(hot, `delete from ${table}`);
  fleet = createSimFleet(hot, { small: 2 }, ['host-1']);
  await fleet.sync();
  const context = { ...fleet.parts, fleetSecret: 's', proxyAddress: 'p' } as unknown as Context;
  const made = await createDatabase(context, { spec: SPEC, key: undefined, requestId: '' });
  id = made.id;
  expect(await suspend(fleet.parts, made.epoch)).toBe('suspended');
});

async function suspend(parts: Parts, epoch: number): Promise<string> {
  return (await suspendDatabase(parts, id, { epoch }, '')).outcome;
}

/** What tells the index of a start waits for a word. */
function slowToTell() {
  let go = (): void => undefined;
  const word = new Promise<void>((resolve) => (go = resolve));
  let said = (): void => undefined;
  const asked = new Promise<void>((resolve) => (said = resolve));
  const slow: Hot = {
    ...hot,
    async gather<Row>(...[gathered, values]: Parameters<Hot['gather']>) {
      if (gathered.one.name === 'database-running') {
        said();
        await word;
      }
      return hot.gather<Row>(gathered, values);
    },
  };
  return { parts: { ...fleet.parts, hot: slow }, asked, go };
}

async function start(parts: Parts): Promise<number> {
  const call = { ...{ database: id, request: {}, requestId: '', force: false } };
  const answer = await createStarter({ ...parts, patienceMs: 20_000 }).start(call);
  if (answer.state !== 'running') throw new Error(`BUG: a start answered ${answer.state}`);
  return answer.epoch;
}

test('the instance that answered tells the index first', async () => {
  const { parts, asked, go } = slowToTell();
  const epoch = await start(parts);
  const outcome = suspend(parts, epoch);
  await asked;
  expect((await databaseFind(hot, id))?.state).toBe('starting');
  go();
  expect(await outcome).toBe('suspended');
  expect((await databaseFind(hot, id))?.state).toBe('suspended');
});

test('another instance asks the host', async () => {
  const { parts, asked, go } = slowToTell();
  const epoch = await start(parts);
  await asked;
  const other: Parts = { ...fleet.parts, fleet: createFleet(Math.random) };
  expect(await suspend(other, epoch)).toBe('suspended');
  expect((await databaseFind(hot, id))?.state).toBe('suspended');
  go();
  await parts.fleet.told(id);
  expect((await databaseFind(hot, id))?.state).toBe('suspended');
});

test('of an epoch that is not the one that starts it does nothing', async () => {
  const { parts, asked, go } = slowToTell();
  const epoch = await start(parts);
  await asked;
  const other: Parts = { ...fleet.parts, fleet: createFleet(Math.random) };
  expect(await suspend(other, epoch - 1)).toBe('not_current');
  go();
  await parts.fleet.told(id);
  expect((await databaseFind(hot, id))?.state).toBe('running');
});
