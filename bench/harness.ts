/**
 * What all benches share: samples in, one line of figures out. The last line is
 * `name: key=value …`; `--json FILE` writes the samples as well.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ConfigError } from '../lib/config-error.ts';

/** Figures in the order in which they are printed. */
export type Figures = Readonly<Record<string, number>>;

export interface BenchResult {
  readonly figures: Figures;
  /** Milliseconds by arm, in the order in which they were taken. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  /** Undefined if everything that must hold did hold, else what did not. */
  readonly broken?: string;
}

export interface BenchOptions {
  /** How many samples of each kind; each bench has its own default and minimum. */
  readonly times: number | undefined;
  /** Gets lines for people. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Bench {
  readonly name: string;
  readonly what: string;
  readonly run: (options: BenchOptions) => Promise<BenchResult>;
}

export interface BenchArguments {
  readonly name: string | undefined;
  readonly json: string | undefined;
  readonly times: number | undefined;
}

/** @throws ConfigError with one sentence. */
export function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (!/^\d{1,9}$/.test(text)) throw new ConfigError(`${name} must be a whole number`);
  return n;
}

/** @throws ConfigError with one sentence. */
export function readBenchArguments(args: readonly string[]): BenchArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { json: { type: 'string' }, times: { type: 'string' } },
      allowPositionals: true,
    });
    return {
      name: positionals[0],
      json: values.json,
      times: wholeNumber('--times', values.times),
    };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

/** Milliseconds and ratios keep two digits, counts none. */
const figure = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(2);

/** The line that programs read. */
export function lineOf(name: string, figures: Figures): string {
  const pairs = Object.entries(figures).map(([key, value]) => `${key}=${figure(value)}`);
  return `${name}: ${pairs.join(' ')}`;
}

export async function writeSamples(path: string, name: string, result: BenchResult): Promise<void> {
  const { figures, samples } = result;
  const content = { bench: name, taken_at: new Date().toISOString(), figures, samples };
  await writeFile(path, `${JSON.stringify(content, undefined, 2)}\n`);
}
