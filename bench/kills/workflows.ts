/**
 * `npm run kills -- --workflows [--times N] [--seed S]`: in every round all workflows are started with
 * real work, and meanwhile the Temporal server and the worker are killed at random moments; then rows
 * are counted. A workflow that was over before both had been killed under it plays again in the same
 * round. The last line: `workflow-kills: runs=… unfinished=0 twice=0 …`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Shutdown } from '../../lib/shutdown.ts';
import type { WorkflowType } from '../../model/cold/names.ts';
import { patiently, until, withColdStack, type ColdStack } from '../cold/stack.ts';
import { lineOf, type Figures } from '../harness.ts';
import type { KillsArguments } from './arguments.ts';
import { createRandom, shuffled } from '../random.ts';
import * as subjects from './workflows-subjects.ts';
import type { Play, Scene } from './workflows-subjects.ts';

const DATABASES = 6;
/** From the starts to the first kill, and from that to the second: at most. */
const FIRST_KILL_MS = 1_500;
const SECOND_KILL_MS = 4_000;
const VICTIMS = ['temporal', 'worker'] as const;
/** Longer than any activity's time-out with which a dead worker is noticed. */
const FINISH_MS_MAX = 240_000;
/** In one round. Chance decides when a kill falls, but not against us for ever. */
const PLAYS_MAX = 8;
/** Paused before the first round, and to be found so after each. */
const PAUSED = ['pool-small', 'billing-rollup'];

type Victim = (typeof VICTIMS)[number];
type Say = (line: string) => void;

export interface KillWorkflowsOptions {
  readonly args: KillsArguments;
  readonly shutdown: Shutdown;
  readonly write: (text: string) => void;
  readonly say: Say;
}

interface Sum {
  runs: number;
  unfinished: number;
  twice: number;
  missing: number;
  /** Kills that fell while a run was under way, one for each run. */
  server_kills: number;
  worker_kills: number;
  /** Workflows under which not both were killed in a round. */
  unhit: number;
  schedules_changed: number;
}

/** Each once, in an order and at moments of their own. @returns when. */
async function killBoth(
  { stack }: ColdStack,
  random: () => number,
): Promise<ReadonlyMap<Victim, number>> {
  const at = new Map<Victim, number>();
  let within = FIRST_KILL_MS;
  for (const name of shuffled(VICTIMS, random)) {
    await delay(random() * within);
    within = SECOND_KILL_MS;
    if (stack.kill(name, 'SIGKILL')) at.set(name, Date.now());
  }
  return at;
}

interface Ran {
  readonly finished: boolean;
  readonly hit: readonly Victim[];
}

/** Waits for its end, and compares the kills with its times as the server has them. */
async function follow(
  { cli }: ColdStack,
  { id }: Play,
  kills: ReadonlyMap<Victim, number>,
): Promise<Ran> {
  let times = { started_ms: Infinity, closed_ms: Infinity };
  try {
    await until(id, FINISH_MS_MAX, async () => {
      const run = await cli.describe(id).catch(() => undefined);
      if (run !== undefined) times = run;
      return run?.status === 'COMPLETED';
    });
  } catch {
    return { finished: false, hit: [] };
  }
  const during = (at: number): boolean => at >= times.started_ms && at <= times.closed_ms;
  return { finished: true, hit: VICTIMS.filter((name) => during(kills.get(name) ?? NaN)) };
}

const MAKERS = {
  // First, since its passwords are those by which the others are judged.
  keyRotation: subjects.rotation,
  fleetMigration: subjects.migration,
  // Takes a warm slot, so before the pool is counted.
  databaseDeletion: subjects.deletion,
  poolReplenishment: subjects.pool,
  billingRollup: subjects.rollup,
  billingClose: subjects.close,
} as const satisfies Record<WorkflowType, (scene: Scene, n: number) => Play | Promise<Play>>;

const TYPES = Object.keys(MAKERS) as readonly WorkflowType[];

/** Plays these workflows at once, under one kill of each. @returns who was killed under which. */
async function playOnce(
  scene: Scene,
  types: readonly WorkflowType[],
  n: number,
  { random, sum, say }: { random: () => number; sum: Sum; say: Say },
): Promise<ReadonlyMap<WorkflowType, readonly Victim[]>> {
  const { stack } = scene;
  const plays: Play[] = [];
  for (const type of types) plays.push(await MAKERS[type](scene, n));
  // A server that was killed a moment ago does not answer.
  const started = Promise.all(plays.map((play) => patiently(play.start)));
  const kills = await killBoth(stack, random);
  await started;
  const hits = new Map<WorkflowType, readonly Victim[]>();
  for (const play of plays) {
    const { finished, hit } = await follow(stack, play, kills);
    hits.set(play.type, hit);
    sum.runs += 1;
    sum.server_kills += hit.includes('temporal') ? 1 : 0;
    sum.worker_kills += hit.includes('worker') ? 1 : 0;
    if (!finished) {
      sum.unfinished += 1;
      say(`${play.id} has not finished`);
    }
  }
  for (const play of plays) {
    const { twice, missing } = await play.judge();
    for (const line of [...twice, ...missing]) say(line);
    sum.twice += twice.length;
    sum.missing += missing.length;
  }
  return hits;
}

async function makeScene(stack: ColdStack, folder: string): Promise<Scene> {
  const databases = [];
  for (let n = 0; n < DATABASES; n++) {
    const database = await stack.create('kills');
    await stack.sleep(database.id);
    databases.push(database);
  }
  return {
    stack,
    databases,
    urls: new Map(databases.map(({ id, connection_string }) => [id, connection_string])),
    async folder(files) {
      const own = await mkdtemp(join(folder, 'sql-'));
      for (const [name, text] of Object.entries(files)) await writeFile(join(own, name), text);
      return own;
    },
  };
}

/** Every schedule, whole: what it starts and when, and whether it is paused and why. */
async function schedulesOf({ cli }: ColdStack): Promise<string> {
  const ids = [...(await cli.schedules())].sort();
  return JSON.stringify(await Promise.all(ids.map(async (id) => [id, await cli.schedule(id)])));
}

async function measure(
  stack: ColdStack,
  folder: string,
  { args, say }: KillWorkflowsOptions,
): Promise<Sum> {
  const random = createRandom(args.seed);
  for (const id of PAUSED)
    await stack.cli.run('schedule', 'toggle', '-s', id, '--pause', '--reason', 'kills');
  const before = await schedulesOf(stack);
  const scene = await makeScene(stack, folder);
  const sum: Sum = {
    ...{ runs: 0, unfinished: 0, twice: 0, missing: 0 },
    ...{ server_kills: 0, worker_kills: 0, unhit: 0, schedules_changed: 0 },
  };
  let n = 0;
  for (let round = 1; round <= args.times; round++) {
    const left = new Map(TYPES.map((type) => [type, new Set<Victim>(VICTIMS)]));
    for (let plays = 0; plays < PLAYS_MAX && left.size > 0; plays++) {
      const hits = await playOnce(scene, [...left.keys()], n++, { random, sum, say });
      for (const [type, hit] of hits) {
        for (const victim of hit) left.get(type)?.delete(victim);
        if (left.get(type)?.size === 0) left.delete(type);
      }
    }
    sum.unhit += left.size;
    for (const id of PAUSED)
      if (!(await patiently(() => stack.cli.isPaused(id)))) say(`${id} is not paused any more`);
    const after = await patiently(() => schedulesOf(stack));
    if (after !== before) {
      sum.schedules_changed += 1;
      say(`schedules were: ${before}\nand are: ${after}`);
    }
    say(`round ${round}: ${lineOf('so far', { ...sum })}`);
  }
  return sum;
}

export async function killWorkflows(options: KillWorkflowsOptions): Promise<void> {
  const { args, shutdown, write, say } = options;
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-kills-'));
  const aborter = new AbortController();
  say(`starting a stack of its own; seed ${args.seed}`);
  const running = withColdStack({ warm: 0, say, signal: aborter.signal }, (stack) =>
    measure(stack, folder, options),
  );
  shutdown.onStop('stack', async () => {
    aborter.abort();
    await running.catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });
  const figures: Figures = { ...(await running) };
  write(`${lineOf('workflow-kills', figures)}\n`);
  const { unfinished, twice, missing, unhit, schedules_changed } = figures;
  const good = [unfinished, twice, missing, unhit, schedules_changed].every((n) => n === 0);
  await shutdown.stop('done', good ? 0 : 1);
}
