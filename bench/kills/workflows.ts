/**
 * `npm run kills -- --workflows [--times N] [--seed S]`: in every round each workflow is started with
 * real work, and meanwhile the Temporal server and the worker are killed at random moments; then rows
 * are counted. The last line: `workflow-kills: runs=… unfinished=0 twice=0 …`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Shutdown } from '../../lib/shutdown.ts';
import { delay, until, withColdStack, type ColdStack } from '../cold/stack.ts';
import { lineOf, type Figures } from '../harness.ts';
import type { KillsArguments } from './arguments.ts';
import { createRandom } from './schedule.ts';
import {
  close,
  deletion,
  migration,
  pool,
  rollup,
  rotation,
  seedMonth,
  type Run,
  type Scene,
} from './workflows-subjects.ts';

const DATABASES = 6;
/** Kills come within so long of a round's start; then the round may end. */
const KILLS_MS = 6_000;
const KILLS_PER_ROUND = 3;
const FINISH_MS_MAX = 120_000;
/** This one is paused at the start, and is to be paused at the end. */
const PAUSED = ['pool-small', 'billing-rollup'];

type Say = (line: string) => void;

export interface KillWorkflowsOptions {
  readonly args: KillsArguments;
  readonly shutdown: Shutdown;
  readonly write: (text: string) => void;
  readonly say: Say;
}

/** A server that was killed a moment ago does not answer. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + FINISH_MS_MAX;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(300);
    }
  }
}

/** The server and the worker, each at least once, at moments of their own. */
async function killSome({ stack }: ColdStack, random: () => number, say: Say): Promise<number> {
  const victims = ['temporal', 'worker', random() < 0.5 ? 'temporal' : 'worker'];
  const kills = victims
    .slice(0, KILLS_PER_ROUND)
    .map((name) => ({ name, at: random() * KILLS_MS }))
    .sort((a, b) => a.at - b.at);
  let now = 0;
  let killed = 0;
  for (const { name, at } of kills) {
    await delay(at - now);
    now = at;
    if (stack.kill(name, 'SIGKILL')) killed += 1;
    else say(`no ${name} runs right now`);
  }
  return killed;
}

interface Judged {
  readonly runs: number;
  readonly unfinished: number;
  readonly wrong: readonly string[];
}

async function judge({ cli }: ColdStack, runs: readonly Run[]): Promise<Judged> {
  const unfinished: string[] = [];
  const wrong: string[] = [];
  for (const run of runs) {
    try {
      await until(run.id, FINISH_MS_MAX, async () => {
        const status = await cli.status(run.id).catch(() => 'UNKNOWN');
        return status === 'COMPLETED';
      });
    } catch {
      unfinished.push(run.id);
      continue;
    }
    wrong.push(...(await patiently(() => run.judge())));
  }
  return {
    runs: runs.length,
    unfinished: unfinished.length,
    wrong: [...unfinished.map((id) => `${id} has not finished`), ...wrong],
  };
}

/** Billing's two follow one another: an invoice is made of what the ledger holds. */
async function playRound(scene: Scene, round: number, random: () => number, say: Say) {
  await seedMonth(scene, round);
  const { stack } = scene;
  // Kills begin when all have been started: a start that is not accepted is no run.
  const runs = [
    await patiently(() => rollup(scene, round)),
    await patiently(() => migration(scene, round)),
    // Takes a warm slot, so before the pool is filled.
    await patiently(() => deletion(scene)),
    await patiently(() => pool(scene, round)),
  ];
  const first = await killSome(stack, random, say);
  const judged = await judge(stack, runs);
  const more = [
    await patiently(() => close(scene, round)),
    await patiently(() => rotation(scene, round)),
  ];
  const second = await killSome(stack, random, say);
  const later = await judge(stack, more);
  return {
    runs: judged.runs + later.runs,
    unfinished: judged.unfinished + later.unfinished,
    wrong: [...judged.wrong, ...later.wrong],
    kills: first + second,
  };
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

async function schedulesOf({ cli }: ColdStack): Promise<string> {
  const ids = [...(await cli.schedules())].sort();
  const states = await Promise.all(
    ids.map(async (id) => `${id}${(await cli.isPaused(id)) ? ' paused' : ''}`),
  );
  return states.join(', ');
}

async function measure(
  stack: ColdStack,
  folder: string,
  { args, say }: KillWorkflowsOptions,
): Promise<Figures> {
  const random = createRandom(args.seed);
  for (const id of PAUSED)
    await stack.cli.run('schedule', 'toggle', '-s', id, '--pause', '--reason', 'kills');
  const before = await schedulesOf(stack);
  say(`schedules: ${before}`);
  const scene = await makeScene(stack, folder);
  const sum = { runs: 0, unfinished: 0, twice: 0, kills: 0 };
  for (let round = 1; round <= args.times; round++) {
    const { runs, unfinished, wrong, kills } = await playRound(scene, round, random, say);
    for (const line of wrong) say(line);
    sum.runs += runs;
    sum.unfinished += unfinished;
    sum.twice += wrong.length - unfinished;
    sum.kills += kills;
    say(`round ${round}: ${runs} runs, ${kills} kills`);
  }
  const after = await patiently(() => schedulesOf(stack));
  if (after !== before) say(`schedules now: ${after}`);
  return { ...sum, schedules_changed: after === before ? 0 : 1 };
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
  const figures = await running;
  write(`${lineOf('workflow-kills', figures)}\n`);
  const { unfinished, twice, schedules_changed } = figures;
  const good = [unfinished, twice, schedules_changed].every((count) => count === 0);
  await shutdown.stop('done', good ? 0 : 1);
}
