import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventInsert } from '../../../db/hot/event-insert.ts';
import type { Hot } from '../../../db/hot/hot.ts';
import type { Cold } from '../../../db/cold/pool.ts';
import type { AgentEvent } from '../../../model/wire.ts';
import { startChild } from '../../support/child.ts';
import { ask, openTestCold } from '../../support/cold.ts';
import {
  createColdTestDatabase,
  createTestDatabase,
  urlAs,
  type TestDatabase,
} from '../../support/database.ts';
import { openTestHot } from '../../support/rows.ts';

const KILLS = 6;
const EPOCHS = 600;

let databases: readonly [TestDatabase, TestDatabase];
let hot: Hot;
let cold: Cold;
beforeAll(async () => {
  databases = await Promise.all([createTestDatabase(), createColdTestDatabase()]);
  hot = openTestHot(databases[0].url);
  cold = openTestCold(databases[1]);
});
afterAll(async () => {
  await Promise.all([hot.close(), cold.close()]);
  await Promise.all(databases.map((database) => database.drop()));
});

/** A process that does nothing but relay, in small pages so that a kill falls anywhere. */
const relay = () =>
  startChild(`
    import { openCold } from './db/cold/pool.ts';
    import { openHotFunctions } from './db/cold/hot-functions.ts';
    import { relayRound } from './workers/relay.ts';
    const more = { size: 2, name: 'test', onIdleError: () => undefined };
    const hot = openHotFunctions({ url: '${urlAs(databases[0], 'pilotlight_cold')}', ...more });
    const cold = openCold({ url: '${urlAs(databases[1], 'pilotlight_worker')}', ...more });
    for (let rounds = 0; ; rounds++) {
      await relayRound({ hot, cold }, 7);
      if (rounds === 3) console.log('at work');
    }`);

/** Journals of three hosts: database n is started and suspended by host n % 3, epoch after epoch. */
function eventsOf(epoch: number): AgentEvent[] {
  return [0, 1, 2].flatMap((n) =>
    (['started', 'suspended'] as const).map((kind, i) => ({
      host: `host-${n}`,
      boot: 1,
      seq: epoch * 2 + i,
      kind,
      at: new Date(epoch * 1000 + i * 500).toISOString(),
      directory: 'aaaaaaaaaaaaaaaa',
      database: `db-${n}`,
      epoch,
      size: 'small',
    })),
  );
}

test('relays killed at any moment, two at a time: every event once, in order, folded once', async () => {
  let epoch = 0;
  let atWork = 0;
  const left = async (): Promise<number> => {
    const count = { name: '', text: 'select count(*) as n from event' };
    return (await hot.durable<{ n: number }>(count, []))[0]?.n ?? 0;
  };
  const feed = async (upTo: number): Promise<void> => {
    while (epoch < upTo) await eventInsert(hot, eventsOf(++epoch));
  };
  for (let kill = 1; kill <= KILLS; kill++) {
    const pair = [relay(), relay()];
    const feeding = feed((EPOCHS / KILLS) * kill);
    await Promise.all(pair.map((child) => child.says('at work')));
    await feeding;
    for (const child of pair) child.process.kill('SIGKILL');
    await Promise.all(pair.map((child) => child.ended));
    if ((await left()) > 0) atWork += 1;
  }
  expect(atWork).toBeGreaterThan(0);
  const last = relay();
  while ((await left()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  last.process.kill('SIGKILL');
  await last.ended;

  expect(await ask(cold, 'select source, count(*) as n from event group by 1 order by 1')).toEqual(
    [0, 1, 2].map((n) => ({ source: `host-${n}`, n: EPOCHS * 2 })),
  );
  const outOfOrder = await ask(
    cold,
    `select 1 from (select seq, lag(seq) over (partition by source order by id) as before from event) e
      where before is not null and before <> seq - 1`,
  );
  expect(outOfOrder).toEqual([]);
  expect(
    await ask(
      cold,
      `select count(*) as n, sum(ended_ms - started_ms)::bigint as ms, bool_or(inferred) as inferred
         from usage_interval`,
    ),
  ).toEqual([{ n: EPOCHS * 3, ms: EPOCHS * 3 * 500, inferred: false }]);
  expect(await ask(cold, 'select events from event_cursor')).toEqual([{ events: EPOCHS * 6 }]);
}, 120_000);
