/**
 * Random interleavings of everything that can happen, against the real SQL and the api's own routes,
 * with simulated hosts: docs/spec.md, the last invariant.
 *
 * Time decides a little as well (retries, patience), so that a seed leads back to the same commands
 * but not to every microsecond. `npm test` has one seed, so that it does not fail by chance of what has
 * not changed; PILOTLIGHT_TEST_SEED=0 draws a new one, PILOTLIGHT_TEST_SECONDS looks for longer.
 */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Hot } from '../../db/hot/hot.ts';
import { readManagementConfig } from '../../lib/config-management.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot } from '../support/rows.ts';
import { fleetCommands, newStory, type Story } from './commands.ts';
import { comeToRest } from './rest.ts';
import { createWorld } from './world.ts';
import * as verbs from './verbs.ts';

const config = readManagementConfig(['PILOTLIGHT_TEST_SECONDS', 'PILOTLIGHT_TEST_SEED']);
const SECONDS = config.PILOTLIGHT_TEST_SECONDS;
const SEED = config.PILOTLIGHT_TEST_SEED === 0 ? Date.now() % 2 ** 31 : config.PILOTLIGHT_TEST_SEED;
const COMMANDS = 60;

jest.setTimeout((SECONDS + 60) * 1_000);

let database: TestDatabase;
let hot: Hot;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 8);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});

/** A fleet of three running databases, then the commands, then rest. */
async function tell(commands: Iterable<fc.AsyncCommand<Story, Story>>): Promise<void> {
  const world = await createWorld(hot);
  const story = newStory(world);
  for (const host of world.hosts) {
    const report = host.report();
    if (report === undefined) throw new Error('BUG: a new host has no agent');
    for (const api of world.apis) await verbs.sync(api, report);
  }
  for (const api of [...world.apis, ...world.apis].slice(0, 3)) {
    const { id, epoch } = await verbs.create(api);
    story.creates += 1;
    story.databases.push(id);
    story.known.set(id, epoch);
  }
  world.gates.close();
  try {
    await fc.asyncModelRun(() => ({ model: story, real: story }), commands);
    const wrong = await comeToRest(story);
    if (wrong.length > 0) throw new Error([...story.told, ...wrong].join('\n'));
  } finally {
    // A start that all have left goes on by itself, and is not to meet the next run.
    for (const api of world.apis) api.kill();
    world.gates.openAll();
  }
}

it('whatever happens in whatever order, nothing is lost, doubled, stuck or leaked', async () => {
  process.stderr.write(`interleavings: seed ${SEED}, ${SECONDS} s\n`);
  let runs = 0;
  let last = Promise.resolve();
  await fc.assert(
    fc.asyncProperty(fleetCommands(COMMANDS), async (commands) => {
      runs += 1;
      last = tell(commands);
      await last;
    }),
    {
      seed: SEED,
      numRuns: 1_000_000,
      interruptAfterTimeLimit: SECONDS * 1_000,
      markInterruptAsFailure: false,
      verbose: 1,
      // To make a failure smaller takes longer than a test may take.
      endOnFailure: true,
    },
  );
  // The one that was under way when the time was over counts as well.
  await last;
  process.stderr.write(`interleavings: ${runs} runs\n`);
  expect(runs).toBeGreaterThan(5);
});
