/** `npm run cycles -- [DATABASES] [CYCLES] [--seed N]` */
import { parseArgs } from 'node:util';
import { ConfigError } from '../../lib/config-error.ts';
import { wholeNumber } from '../harness.ts';

export interface CyclesArguments {
  readonly databases: number;
  /** Lives of each. */
  readonly cycles: number;
  /** Decides what happens in a life, and through which api. */
  readonly seed: number;
}

const USAGE = 'usage: npm run cycles -- [DATABASES] [CYCLES] [--seed N]';
const DATABASES_DEFAULT = '20';
const CYCLES_DEFAULT = '5';

function parse(args: readonly string[]) {
  const options = { seed: { type: 'string' } } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new ConfigError(USAGE, { cause: error });
  }
}

/** @throws ConfigError with one sentence. */
export function readCyclesArguments(args: readonly string[]): CyclesArguments {
  const { values, positionals } = parse(args);
  const [databases = DATABASES_DEFAULT, cycles = CYCLES_DEFAULT, ...rest] = positionals;
  if (rest.length > 0) throw new ConfigError(USAGE);
  return {
    databases: wholeNumber('DATABASES', databases) ?? 0,
    cycles: wholeNumber('CYCLES', cycles) ?? 0,
    seed: wholeNumber('--seed', values.seed) ?? Date.now() % 1_000_000,
  };
}
