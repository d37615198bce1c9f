/** `npm run kills -- --times N --seed S [--no-lock] [--workflows]` */
import { parseArgs } from 'node:util';
import { ConfigError } from '../../lib/config-error.ts';
import { wholeNumber } from '../harness.ts';

export interface KillsArguments {
  /** How many processes are killed. */
  readonly times: number;
  /** Decides who is killed and when. */
  readonly seed: number;
  readonly lock: 'on' | 'off';
  /** Kill the Temporal server and the worker under workflows instead; `times` counts rounds. */
  readonly workflows: boolean;
}

const TIMES_DEFAULT = 10;

/** @throws ConfigError with one sentence. */
export function readKillsArguments(args: readonly string[]): KillsArguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        times: { type: 'string' },
        seed: { type: 'string' },
        'no-lock': { type: 'boolean' },
        workflows: { type: 'boolean' },
      },
    });
    return {
      times: wholeNumber('--times', values.times) ?? TIMES_DEFAULT,
      seed: wholeNumber('--seed', values.seed) ?? Date.now() % 1_000_000,
      lock: values['no-lock'] === true ? 'off' : 'on',
      workflows: values.workflows ?? false,
    };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}
