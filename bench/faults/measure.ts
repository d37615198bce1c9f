/** One line of the table: the trouble in one stack, beside another that has none, in turns. */
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../../lib/config-error.ts';
import { findLeakedSlots } from '../kills/slots.ts';
import type { Arm } from './arm.ts';
import { judge, type Cell, type Sample, type Word } from './judge.ts';
import type { Line } from './lines.ts';
import { gatherCast, VERBS, type Cast, type Round, type Verb } from './verbs.ts';

const AFTER_MS = 3_000;
/** Times that are not counted: connections are made. */
const WARM_UP = 2;

export interface Measured {
  readonly line: string;
  readonly cells: Readonly<Record<Verb, Cell>>;
  /** What failed until the words began to hold, of all but what may be refused. */
  readonly early: readonly string[];
  /** What was not as it must be when the trouble was over. */
  readonly afterwards: readonly string[];
}

export interface Arms {
  readonly here: Arm;
  readonly beside: Arm;
}

export interface MeasureOptions {
  readonly times: number;
  readonly random: () => number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

type Samples = Record<Verb, Sample[]>;
const noSamples = (): Samples =>
  Object.fromEntries(VERBS.map((verb) => [verb, []])) as unknown as Samples;

function add(samples: Samples, round: Round): void {
  for (const verb of VERBS) {
    const sample = round[verb];
    if (sample !== undefined) samples[verb].push(sample);
  }
}

/** Each takes as long as a proxy holds a client: in one round of so many. */
const HELD_EVERY = 10;

const mayFail = (word: Word): boolean => word !== 'same' && word !== 'degraded';

/** The verbs that are left out of round `n`. */
function leftOut({ words }: Line, n: number): readonly Verb[] {
  return n % HELD_EVERY === 0 ? [] : VERBS.filter((verb) => words[verb] === 'held');
}

/** Until the words hold: everything is to succeed, however long it takes, within the caller's time. */
async function getThrough(line: Line, cast: Cast): Promise<readonly string[]> {
  const until = performance.now() + (line.afterMs ?? AFTER_MS);
  const early: string[] = [];
  for (let n = 0; performance.now() < until; n++) {
    const round = await cast.round(n, 'tries');
    for (const verb of VERBS) {
      const failed = round[verb]?.failed;
      if (failed === undefined || mayFail(line.words[verb]) || verb === line.notAtOnce) continue;
      early.push(`${verb}: ${failed}`);
    }
  }
  return early;
}

async function settle(arm: Arm, cast: Cast): Promise<readonly string[]> {
  const wrong = await cast.clear();
  return [...wrong, ...(await findLeakedSlots(arm.stack.endpoints))];
}

export async function measureLine(
  line: Line,
  arms: Arms,
  { times, random, say, signal }: MeasureOptions,
): Promise<Measured> {
  const [here, beside] = [noSamples(), noSamples()];
  const casts = {
    here: await gatherCast(arms.here, line.host),
    beside: await gatherCast(arms.beside, line.host),
  };
  for (let n = 0; n < WARM_UP; n++)
    for (const cast of [casts.here, casts.beside]) await cast.round(n);
  // What goes later would make room.
  if (line.ownDisk) for (const cast of [casts.here, casts.beside]) await cast.clear();
  let early: readonly string[] = [];
  try {
    await line.begin(arms.here);
    early = await getThrough(line, casts.here);
    for (let n = 0; n < times; n++) {
      if (signal.aborted) throw new ConfigError('stopped');
      // In turns, and each first as often as the other.
      const order = n % 2 === 0 ? (['here', 'beside'] as const) : (['beside', 'here'] as const);
      for (const name of order) {
        const round = await casts[name].round(n, 'asks once', leftOut(line, n));
        add(name === 'here' ? here : beside, round);
        if (line.ownDisk) await casts[name].clear();
      }
    }
  } finally {
    await line.end(arms.here);
  }
  await delay(AFTER_MS);
  const [afterwards] = await Promise.all([
    settle(arms.here, casts.here),
    settle(arms.beside, casts.beside),
  ]);
  for (const cast of [casts.here, casts.beside]) await cast.leave();
  const cells = Object.fromEntries(
    VERBS.map((verb) => [verb, judge(line.words[verb], here[verb], beside[verb], random)]),
  ) as unknown as Record<Verb, Cell>;
  for (const verb of VERBS) if (!cells[verb].held) say(`  ${verb}: ${cells[verb].why}`);
  for (const what of [...new Set(early)].slice(0, 3)) say(`  in the first seconds ${what}`);
  for (const what of afterwards.slice(0, 5)) say(`  afterwards ${what}`);
  return { line: line.name, cells, early, afterwards };
}
