/**
 * `npm run outage [-- --times N]`: the verbs of the hot path while the Temporal server is away in
 * four ways, beside a stack whose cold plane is whole, in turns. Each round takes every verb once in
 * both. The last line: `outage: states=… failed=… p95_ratio_max=… …`.
 */
import { createProgress } from '../../dev/print.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { findProgram } from '../cold/program.ts';
import { lineOf, readBenchArguments, writeSamples, type BenchResult } from '../harness.ts';
import { median, quantile } from '../stats.ts';
import { startArm, VERBS, type Arm, type Took, type Verb } from './arm.ts';

const TIMES = 100;
const STOP_MS_MAX = 30_000;
/** Rounds whose times are not counted: connections are made. What fails in them has failed. */
const WARM_UP = 3;

interface State {
  readonly name: string;
  /** Before the first round. */
  readonly begin: (cold: Arm['cold']) => void | Promise<void>;
  /** In the middle of the rounds. */
  readonly middle?: (cold: Arm['cold']) => void;
}

/** In this order, each from the state that the one before has left. */
const STATES: readonly State[] = [
  { name: 'absent', begin: (cold) => cold.startWorker() },
  { name: 'late', begin: () => undefined, middle: (cold) => cold.startServer() },
  {
    name: 'frozen',
    async begin(cold) {
      await cold.workerReady();
      cold.signalServer('SIGSTOP');
    },
  },
  {
    name: 'killed',
    async begin(cold) {
      cold.signalServer('SIGCONT');
      await cold.workerReady();
      cold.signalServer('SIGKILL');
    },
  },
];

type Samples = Record<Verb, Took[]>;
const noSamples = (): Samples => ({ create: [], connect: [], route: [], suspend: [], start: [] });

const timesOf = (took: readonly Took[]): number[] =>
  took.filter((one): one is number => typeof one === 'number');

interface Measured {
  readonly state: string;
  readonly verb: Verb;
  readonly here: readonly Took[];
  readonly beside: readonly Took[];
}

interface Rounds {
  readonly times: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

async function measure(
  state: State,
  arms: { readonly here: Arm; readonly beside: Arm },
  { times, say, signal }: Rounds,
): Promise<readonly Measured[]> {
  const here = noSamples();
  const beside = noSamples();
  await state.begin(arms.here.cold);
  for (let n = 0; n < WARM_UP + times; n++) {
    if (signal.aborted) throw new ConfigError('stopped');
    if (n === WARM_UP + Math.floor(times / 2)) state.middle?.(arms.here.cold);
    // In turns, and each first as often as the other.
    const order = n % 2 === 0 ? (['here', 'beside'] as const) : (['beside', 'here'] as const);
    for (const name of order) {
      const round = await arms[name].round();
      const into = name === 'here' ? here : beside;
      for (const verb of VERBS)
        if (n >= WARM_UP || typeof round[verb] === 'string') into[verb].push(round[verb]);
    }
    if ((n + 1) % 25 === 0) say(`  ${n + 1} rounds of ${WARM_UP + times}`);
  }
  return VERBS.map((verb) => ({
    state: state.name,
    verb,
    here: here[verb],
    beside: beside[verb],
  }));
}

const p95 = (took: readonly Took[]): number => quantile(timesOf(took), 0.95);
const ratioOf = (one: Measured): number => p95(one.here) / p95(one.beside);
const p50RatioOf = (one: Measured): number =>
  median(timesOf(one.here)) / median(timesOf(one.beside));
const failuresOf = (took: readonly Took[]): string[] =>
  took.filter((one): one is string => typeof one === 'string');

function resultOf(all: readonly Measured[]): BenchResult {
  const failed = all.flatMap((one) => failuresOf(one.here));
  return {
    samples: Object.fromEntries(
      all.flatMap(({ state, verb, here, beside }) => [
        [`${state} ${verb}`, timesOf(here)],
        [`${state} ${verb} undisturbed`, timesOf(beside)],
      ]),
    ),
    figures: {
      states: new Set(all.map(({ state }) => state)).size,
      failed: failed.length,
      p95_ratio_max: Math.max(...all.map(ratioOf)),
      p50_ratio_max: Math.max(...all.map(p50RatioOf)),
      n: Math.min(...all.map(({ here }) => timesOf(here).length)),
      undisturbed_failed: all.flatMap((one) => failuresOf(one.beside)).length,
    },
    ...(failed.length === 0 ? {} : { broken: `a verb failed: ${failed[0]}` }),
  };
}

async function run({ times, say, signal }: Rounds): Promise<BenchResult> {
  const program = await findProgram(say, signal);
  const arms: Arm[] = [];
  const start = async (): Promise<Arm> => {
    const arm = await startArm(program, signal);
    arms.push(arm);
    return arm;
  };
  try {
    say('starting two stacks of its own');
    const both = { here: await start(), beside: await start() };
    both.beside.cold.startServer();
    both.beside.cold.startWorker();
    await both.beside.cold.workerReady();
    const all: Measured[] = [];
    for (const state of STATES) {
      say(`the Temporal server of one of them: ${state.name}`);
      const measured = await measure(state, both, { times, say, signal });
      for (const one of measured)
        say(
          `  ${one.verb}: p95 ${p95(one.here).toFixed(1)} ms, undisturbed ${p95(one.beside).toFixed(1)} ms`,
        );
      all.push(...measured);
    }
    return resultOf(all);
  } finally {
    await Promise.all(arms.map((arm) => arm.stop()));
  }
}

runMain('outage', async () => {
  const { json, times = TIMES } = readBenchArguments(process.argv.slice(2));
  const aborter = new AbortController();
  const shutdown = installShutdown(createLogger('outage', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const running = run({ times, say, signal: aborter.signal });
  shutdown.onStop('outage', async () => {
    aborter.abort();
    await running.catch(() => undefined);
  });
  const result = await running;
  if (json !== undefined) await writeSamples(json, 'outage', result);
  if (result.broken !== undefined) write(`not as it must be: ${result.broken}\n`);
  write(`${lineOf('outage', result.figures)}\n`);
  await shutdown.stop('done', result.broken === undefined ? 0 : 1);
});
