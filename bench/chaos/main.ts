/**
 * `npm run chaos -- --minutes M --seed N`: kills, freezes, cuts off and starves the processes of a
 * whole stack, while clients write numbered rows through the proxies and databases come and go. The
 * seed repeats the schedule. The last line: `chaos: acknowledged=… lost=… doubles=… …`.
 */
import { cp } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Occupant } from '../../dev/occupants.ts';
import { createProgress } from '../../dev/print.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { lineOf, type Figures } from '../harness.ts';
import { startWatcher, type Watcher } from '../kills/watcher.ts';
import { createRandom } from '../random.ts';
import { readChaosArguments, type ChaosArguments } from './arguments.ts';
import { startChurn, type Churned } from './churn.ts';
import { startClients, type Clients, type Habit } from './clients.ts';
import { beginFault, type Scene } from './faults.ts';
import { createFleet, makeTable, type Fleet } from './fleet.ts';
import { findings, type Story } from './findings.ts';
import { KINDS_COUNT, nameOf, planChaos, type Fault } from './plan.ts';
import { FLEET, startStage } from './stage.ts';
import { createSightings, type Sightings } from './usage.ts';

/** After a session, so that some fall asleep and wake under faults and others never do. */
const HABITS: readonly (Habit & { readonly idleMs: number })[] = [
  { rows: 40, rowPauseMs: 10, restMs: 100, idleMs: 600_000 },
  { rows: 40, rowPauseMs: 10, restMs: 100, idleMs: 600_000 },
  { rows: 5, rowPauseMs: 50, restMs: 4_000, idleMs: 500 },
  { rows: 5, rowPauseMs: 50, restMs: 4_000, idleMs: 0 },
];
const CHURN_LANES = 2;
/** After the last fault: until every database has been used again, and a little under load. */
const AFTERMATH_MS_MIN = 5_000;
const AFTERMATH_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const MINUTE_MS = 60_000;

type Say = (line: string) => void;

interface Run {
  readonly args: ChaosArguments;
  readonly scene: Scene;
  readonly fleet: Fleet;
  readonly sightings: Sightings;
  readonly watcher: Watcher;
  /** Milliseconds since the first fault could come. */
  readonly now: () => number;
  readonly say: Say;
}

async function startLoads({ scene, fleet, args, now }: Run): Promise<readonly Clients[]> {
  const { ports } = scene.stack.endpoints.proxy;
  const loads: Clients[] = [];
  for (const [i, { idleMs, ...habit }] of HABITS.entries()) {
    const made = await fleet.create(idleMs);
    if (made === undefined) continue;
    const { id, connection_string: url } = made;
    await makeTable([url]);
    const random = createRandom(args.seed + i);
    loads.push(startClients({ id, url, ports, habit, random, now }));
  }
  return loads;
}

/** From its beginning to its end, at the times of the plan. */
async function carryOut(fault: Fault, { scene, now, say }: Run): Promise<'done' | 'skipped'> {
  const begun = await beginFault(scene, fault);
  if (typeof begun !== 'function') {
    say(`skipped: ${nameOf(fault)}: ${begun.skipped}`);
    return 'skipped';
  }
  say(nameOf(fault));
  await delay(Math.max(0, fault.atMs + fault.forMs - now()));
  await begun();
  return 'done';
}

/** @returns how many were skipped. */
async function breakThings(plan: readonly Fault[], run: Run): Promise<number> {
  const going: Promise<'done' | 'skipped'>[] = [];
  for (const fault of plan) {
    await delay(Math.max(0, fault.atMs - run.now()));
    const outcome = carryOut(fault, run);
    // Looked at below, when all have ended.
    outcome.catch(() => undefined);
    going.push(outcome);
  }
  // All of them: the end of one that failed is not to leave the others in force.
  const outcomes = await Promise.allSettled(going);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return outcomes.filter((one) => one.status === 'fulfilled' && one.value === 'skipped').length;
}

async function settle(loads: readonly Clients[], { now, say }: Run): Promise<void> {
  const began = now();
  await delay(AFTERMATH_MS_MIN);
  while (loads.some(({ availability }) => availability.isWaiting())) {
    if (now() - began > AFTERMATH_MS_MAX) break;
    await delay(100);
  }
  say(`every database is used again, or given up, after ${((now() - began) / 1000).toFixed(1)} s`);
}

async function measure(run: Run): Promise<Figures> {
  const { args, scene, fleet, say } = run;
  const plan = planChaos(args.minutes * MINUTE_MS, args.seed, FLEET);
  const kinds = new Set(plan.map(({ verb, what, all }) => `${verb} ${what} ${all}`)).size;
  say(`seed ${args.seed}: ${plan.length} faults of ${kinds} of ${KINDS_COUNT} kinds`);
  const loads = await startLoads(run);
  const churned: Churned = { acknowledged: 0, lost: 0, unstartable: 0, deleted: [], lives: [] };
  const { ports } = scene.stack.endpoints.proxy;
  const churns = Array.from({ length: CHURN_LANES }, (_, lane) =>
    startChurn({ ...run, ports, random: createRandom(args.seed - lane), churned }),
  );
  const shiftMs = run.now();
  const shifted = { ...run, now: () => run.now() - shiftMs };
  const beganAt = Date.now();
  const skipped = await breakThings(plan, shifted);
  say('nothing is broken any more');
  await settle(loads, shifted);
  await Promise.all(churns.map((churn) => churn.stop()));
  await Promise.all(loads.map((load) => load.stop()));
  const story: Story = { ...run, plan, loads, churned, shiftMs, beganAt, endedMs: run.now() };
  const found = await findings(story);
  fleet.giveUp();
  return { ...found, faults: plan.length - skipped, skipped, seed: args.seed };
}

const BAR_S = 30;

/** What must be zero, and how long a database may have been away. */
function isGood(figures: Figures): boolean {
  const zeros = ['lost', 'doubles', 'journal_diff_s', 'unstartable', 'slots_leaked', 'resurrected'];
  const isZero = [...zeros, 'left'].every((name) => figures[name] === 0);
  return isZero && (figures['longest_unavailable_s'] ?? Infinity) <= BAR_S;
}

runMain('chaos', async () => {
  const args = readChaosArguments(process.argv.slice(2));
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const aborter = new AbortController();
  const shutdown = installShutdown(createLogger('chaos', 'warn'), STOP_MS_MAX);
  const starting = startStage({ seed: args.seed, say, signal: aborter.signal });
  let stopping: Promise<number> | undefined;
  const stop = (): Promise<number> =>
    (stopping ??= starting.then(
      (stage) => stage.stop(),
      () => 0,
    ));
  shutdown.onStop('stack', async () => {
    aborter.abort();
    await stop();
  });
  const { scene } = await starting;
  const fleet = createFleet(scene.stack.endpoints, 'chaos');
  const sightings = createSightings();
  const watcher = startWatcher(
    scene.directories,
    (twice: readonly Occupant[]) =>
      say(`two incarnations on one directory: ${twice.map((one) => one.incarnation).join(' ')}`),
    (occupants) => sightings.look(occupants, Date.now()),
  );
  let good = false;
  try {
    const now = (): number => performance.now();
    const figures = await measure({ args, scene, fleet, sightings, watcher, now, say });
    watcher.stop();
    fleet.close();
    if (args.logs !== undefined)
      await cp(`${scene.paths.home}/logs`, args.logs, { recursive: true });
    const all: Figures = { ...figures, left: await stop() };
    good = isGood(all);
    write(`${lineOf('chaos', all)}\n`);
  } catch (error) {
    write(`chaos: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
  await shutdown.stop('done', good ? 0 : 1);
});
