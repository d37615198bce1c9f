/**
 * A start is answered before the index has heard of it; a suspend that follows at once is still one.
 * Hosts are simulated (host/sim.ts).
 */
import { beforeEach, expect, test } from '@jest/globals';
import type { Parts } from '../../api/context.ts';
import { createStarter } from '../../api/start.ts';
import { suspendDatabase } from '../../api/suspend.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { createFleet } from '../../model/fleet.ts';
import { oneDatabase, type One } from '../support/one-database.ts';

const given = oneDatabase();
let one: One;

beforeEach(async () => {
  one = given();
  expect(await suspend(one.fleet.parts, 1)).toBe('suspended');
});

async function suspend(parts: Parts, epoch: number): Promise<string> {
  return (await suspendDatabase(parts, one.id, { epoch }, '')).outcome;
}

/** What tells the index of a start waits for a word. */
function slowToTell() {
  let go = (): void => undefined;
  const word = new Promise<void>((resolve) => (go = resolve));
  let said = (): void => undefined;
  const asked = new Promise<void>((resolve) => (said = resolve));
  const slow: Hot = {
    ...one.hot,
    async gather<Row>(...[gathered, values]: Parameters<Hot['gather']>) {
      if (gathered.one.name === 'database-running') {
        said();
        await word;
      }
      return one.hot.gather<Row>(gathered, values);
    },
  };
  return { parts: { ...one.fleet.parts, hot: slow }, asked, go };
}

async function start(parts: Parts): Promise<number> {
  const call = { ...{ database: one.id, request: {}, requestId: '', force: false } };
  const answer = await createStarter({ ...parts, patienceMs: 20_000 }).start(call);
  if (answer.state !== 'running') throw new Error(`BUG: a start answered ${answer.state}`);
  return answer.epoch;
}

test('the instance that answered tells the index first', async () => {
  const { parts, asked, go } = slowToTell();
  const epoch = await start(parts);
  const outcome = suspend(parts, epoch);
  await asked;
  expect(await one.state()).toBe('starting');
  go();
  expect(await outcome).toBe('suspended');
  expect(await one.state()).toBe('suspended');
});

test('another instance asks the host', async () => {
  const { parts, asked, go } = slowToTell();
  const epoch = await start(parts);
  await asked;
  const other: Parts = { ...one.fleet.parts, fleet: createFleet(Math.random) };
  expect(await suspend(other, epoch)).toBe('suspended');
  expect(await one.state()).toBe('suspended');
  go();
  await parts.fleet.told(one.id);
  expect(await one.state()).toBe('suspended');
});

test('of an epoch that is not the one that starts it does nothing', async () => {
  const { parts, asked, go } = slowToTell();
  const epoch = await start(parts);
  await asked;
  const other: Parts = { ...one.fleet.parts, fleet: createFleet(Math.random) };
  expect(await suspend(other, epoch - 1)).toBe('not_current');
  go();
  await parts.fleet.told(one.id);
  expect(await one.state()).toBe('running');
});
