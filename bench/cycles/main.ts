/**
 * `npm run cycles`: many real databases through many lives, on a
 * stack of its own with two apis and two hosts. Nobody's wake and no row may be lost, and at the end
 * the pool table says of every slot what its host says.
 */
import { createFleetClient } from '../../dev/fleet-client.ts';
import { createProgress } from '../../dev/print.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import type { Stack } from '../../dev/stack.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { lineOf, type Figures } from '../harness.ts';
import { openSession } from '../kills/session.ts';
import { findLeakedSlots } from '../kills/slots.ts';
import { judge } from '../kills/verdict.ts';
import { createRandom } from '../random.ts';
import { quantile } from '../stats.ts';
import { readCyclesArguments, type CyclesArguments } from './arguments.ts';
import { createVerbs, cycle, type Cycled, type Tally, type Verbs } from './cycle.ts';
import { fillUp } from './full.ts';

const SIZE = 'small';
const SLOTS_PER_HOST = 50;
const HOSTS = 2;
/** As many as there are slots: all of them at once. */
const RESUMES = SLOTS_PER_HOST * HOSTS;
/** Databases that go through their lives at once: two cores are full by then. */
const LANES = 12;
/** Nothing is suspended but on purpose. */
const IDLE_MS = 3_600_000;
const STOP_MS_MAX = 60_000;
const TENANT = 'cycles';

type Say = (line: string) => void;

/** Runs the work of each item, `LANES` at once, until all is done or one has failed. */
async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function createAll(stack: Stack, count: number, verbs: Verbs): Promise<Cycled[]> {
  const { api } = stack.endpoints;
  const fleet = createFleetClient(api.url, api.tokens['operator'] ?? '');
  const made: Cycled[] = [];
  try {
    await inLanes([...Array(count).keys()], async () => {
      const { id, connection_string: url } = await fleet.create({
        tenant: TENANT,
        idle_ms: IDLE_MS,
      });
      const client = await openSession(url, 'cycles set-up');
      await client.query('create table numbered (n int primary key)');
      await client.end();
      await verbs.suspend(id, false);
      made.push({ id, url, acknowledged: [], next: 1 });
    });
    return made;
  } finally {
    fleet.close();
  }
}

async function countLost(databases: readonly Cycled[], verbs: Verbs): Promise<number> {
  let lost = 0;
  await inLanes(databases, async ({ id, url, acknowledged }) => {
    const verdict = await judge(url, acknowledged);
    lost += verdict.starts ? verdict.lost : acknowledged.length;
    await verbs.suspend(id, false);
  });
  return lost;
}

/** @returns how many of them could be started at once. */
async function resumeAll(databases: readonly Cycled[], verbs: Verbs, say: Say): Promise<number> {
  const outcomes = await Promise.allSettled(databases.map(({ id }) => verbs.start(id)));
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') say(`refused: ${String(outcome.reason)}`);
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}

async function measure(stack: Stack, args: CyclesArguments, say: Say): Promise<Figures> {
  const random = createRandom(args.seed);
  const verbs = createVerbs(stack.endpoints, random);
  const tally: Tally = { wakes: [], lost: [] };
  say(`creating ${args.databases} databases; seed ${args.seed}`);
  const databases = await createAll(stack, args.databases, verbs);
  for (let round = 1; round <= args.cycles; round++) {
    await inLanes(databases, (database) => cycle(database, verbs, tally, random));
    if (round % 10 === 0) say(`${round} cycles of each`);
  }
  for (const why of tally.lost.slice(0, 10)) say(`lost: ${why}`);
  say('waking each once more to count its rows');
  const lost_rows = await countLost(databases, verbs);
  const few = databases.slice(0, RESUMES);
  say(`filling every slot with a warm one, then starting ${few.length} databases at once`);
  const warm = await fillUp(stack.endpoints, SIZE);
  const resumed = await resumeAll(few, verbs, say);
  say('comparing slots');
  const different = await findLeakedSlots(stack.endpoints);
  for (const line of different) say(`slot: ${line}`);
  verbs.close();
  return {
    lost_wakes: tally.lost.length,
    lost_rows,
    pool_diff: different.length,
    wakes: tally.wakes.length,
    rows: databases.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    wake_p50_ms: quantile(tally.wakes, 0.5),
    wake_p99_ms: quantile(tally.wakes, 0.99),
    warm,
    resumes: few.length,
    resumed,
  };
}

runMain('cycles', async () => {
  const args = readCyclesArguments(process.argv.slice(2));
  const shutdown = installShutdown(createLogger('cycles', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const settings = { PILOTLIGHT_SLOTS: `${SIZE}=${SLOTS_PER_HOST}` };
  const stack = await startTemporaryStack({ say, hosts: HOSTS, apis: 2, warm: 0, settings });
  shutdown.onStop('stack', stack.stop);
  const figures = await measure(stack, args, say);
  write(`${lineOf('cycles', figures)}\n`);
  const { lost_wakes, lost_rows, pool_diff, resumes, resumed } = figures;
  const good = [lost_wakes, lost_rows, pool_diff].every((n) => n === 0) && resumed === resumes;
  await shutdown.stop('done', good ? 0 : 1);
});
