/** `npm run chaos -- --minutes M --seed N [--logs FOLDER]` */
import { parseArgs } from 'node:util';
import { ConfigError } from '../../lib/config-error.ts';
import { wholeNumber } from '../harness.ts';

export interface ChaosArguments {
  /** For how long things are broken; setting up and judging come on top. */
  readonly minutes: number;
  /** Decides what breaks when and for how long. */
  readonly seed: number;
  /** Gets what the processes have logged. */
  readonly logs: string | undefined;
}

const USAGE = 'usage: npm run chaos -- [--minutes M] [--seed N] [--logs FOLDER]';
const MINUTES_DEFAULT = 1;

/** @throws ConfigError with one sentence. */
export function readChaosArguments(args: readonly string[]): ChaosArguments {
  const text = { type: 'string' } as const;
  const options = { minutes: text, seed: text, logs: text };
  let values: { readonly minutes?: string; readonly seed?: string; readonly logs?: string };
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    throw new ConfigError(USAGE, { cause: error });
  }
  return {
    minutes: wholeNumber('--minutes', values.minutes) ?? MINUTES_DEFAULT,
    seed: wholeNumber('--seed', values.seed) ?? Date.now() % 1_000_000,
    logs: values.logs,
  };
}
