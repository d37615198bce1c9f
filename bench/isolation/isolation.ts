/**
 * What the cold plane can do to a start. Starts arrive in an open loop while everything is quiet,
 * while the cold plane does all it can at once, and after its engine was killed; and beside ours on
 * the naive plane (bench/naive/), in turns of some seconds within one run.
 */
import { ConfigError } from '../../lib/config-error.ts';
import { findProgram } from '../cold/program.ts';
import type { Bench, BenchOptions, BenchResult } from '../harness.ts';
import { createRandom, shuffled } from '../random.ts';
import { quantile } from '../stats.ts';
import { planArrivals, shares } from './arrivals.ts';
import { waitCalm } from './calm.ts';
import { runArrivals } from './open-loop.ts';
import { ARMS, nameOf, resultOf, type ArmName, type PlaneName, type Sample } from './samples.ts';
import { startSide, type Side } from './side.ts';

const TIMES = 300;
/** Turns of each arm; each has an even share of the arrivals. */
const ROUNDS = 5;
/** A wake and its suspend take some 60 ms of one of two cores: an eighth of the machine. */
const PER_SECOND = 4;
const SEED = 6;
/** Before the arrivals of a turn: connections are made again, and caches are filled. */
const WARM_UP = 3;
const WARM_UP_GAP_MS = 250;
const CALM_MS_MAX = 30_000;

type Sides = Readonly<Record<PlaneName, Side>>;
type Say = (line: string) => void;

function said(arm: ArmName, samples: readonly Sample[]): string {
  const ms = samples.flatMap((one) => (one.failed === undefined ? [one.ms] : []));
  const failed = samples.filter((one) => one.failed !== undefined);
  const why = failed.length === 0 ? '' : ` (${failed[0]?.failed})`;
  const at = (q: number): string => quantile(ms, q).toFixed(1);
  return `  ${nameOf(arm)}: ${ms.length} answered, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms; ${failed.length} failed${why}`;
}

interface Turn {
  readonly arm: ArmName;
  readonly round: number;
  readonly arrivals: readonly number[];
}

async function take(sides: Sides, turn: Turn, say: Say, signal: AbortSignal) {
  const { arm, round, arrivals } = turn;
  const side = sides[arm.plane];
  if (!(await waitCalm(CALM_MS_MAX, signal))) say(`  before ${nameOf(arm)}: the machine is busy`);
  await side.enter(arm.state, round);
  try {
    const { client, url, databases } = side;
    const warmUp = Array.from({ length: WARM_UP }, (_, n) => n * WARM_UP_GAP_MS);
    const loop = { client, url, databases, signal };
    await runArrivals({ ...loop, arrivals: warmUp });
    const samples = await runArrivals({ ...loop, arrivals });
    say(said(arm, samples));
    return samples;
  } finally {
    const storm = await side.leave(arm.state);
    if (storm !== undefined) say(`  workflows of this storm: ${storm}`);
  }
}

async function measure(sides: Sides, { times, say, signal }: BenchOptions): Promise<BenchResult> {
  const random = createRandom(SEED);
  const samples: Record<string, Sample[]> = Object.fromEntries(
    ARMS.map((arm) => [nameOf(arm), []]),
  );
  for (const [round, count] of shares(times ?? TIMES, ROUNDS).entries()) {
    say(`turn ${round + 1} of ${ROUNDS}`);
    for (const arm of shuffled(ARMS, random)) {
      if (signal.aborted) throw new ConfigError('stopped');
      const arrivals = planArrivals(random, count, PER_SECOND);
      samples[nameOf(arm)]?.push(...(await take(sides, { arm, round, arrivals }, say, signal)));
    }
  }
  return resultOf(samples);
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { say, signal } = options;
  const program = await findProgram(say, signal);
  const started: Side[] = [];
  const start = async (plane: PlaneName): Promise<Side> => {
    const side = await startSide({ plane, program, storms: ROUNDS, signal });
    started.push(side);
    return side;
  };
  try {
    say('starting two stacks of its own, with their cold planes');
    return await measure({ ours: await start('ours'), naive: await start('naive') }, options);
  } finally {
    await Promise.all(started.map((side) => side.stop()));
  }
}

export const isolation: Bench = {
  name: 'isolation',
  what: 'a start while the cold plane storms or its engine is away',
  run,
};
