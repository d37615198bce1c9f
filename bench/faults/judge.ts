/** Whether a cell of the table of faults kept its word. Pure. */
import { isErrorCode } from '../../model/errors.ts';
import { quantile } from '../stats.ts';

/**
 * What is promised of a verb while something is lost (docs/failure-matrix.md).
 * `same`: all succeed, p95 within 1.25 times the undisturbed. `degraded`: all succeed, p50 within
 * twice. `refused`: a typed error that says to try again, within a second. `held`: the same from a proxy,
 * when its hold is over. `free`: nothing.
 */
export type Word = 'same' | 'degraded' | 'refused' | 'held' | 'free';

/** Milliseconds, and the code of the error if it failed. */
export interface Sample {
  readonly ms: number;
  readonly failed?: string;
}

export interface Cell {
  readonly word: Word;
  readonly held: boolean;
  /** Of the quantile that the word is about; NaN where it is about none. */
  readonly ratio: number;
  /** 95 % of what chance makes of these samples lies above it. */
  readonly ratioLow: number;
  readonly failed: number;
  readonly n: number;
  /** The first thing that was wrong. */
  readonly why?: string;
}

const BOUNDS = { same: { q: 0.95, most: 1.25 }, degraded: { q: 0.5, most: 2 } } as const;
const REFUSED_MS_MAX = 1_000;
/** What the proxies of the bench hold a client, less than it waits. */
export const HOLD_MS = 4_000;
/** What Postgres says while it starts, and a proxy while it wakes one. */
const CANNOT_CONNECT_NOW = '57P03';
const RESAMPLES = 500;
const LOW = 0.05;

const timesOf = (samples: readonly Sample[]): number[] => samples.map(({ ms }) => ms);

function resample(from: readonly number[], random: () => number): number[] {
  return from.map(() => from[Math.floor(random() * from.length)] ?? NaN);
}

/** The lower bound of the ratio of quantiles by the percentile bootstrap (Efron 1979), one-sided 95 %. */
export function ratioLow(
  here: readonly number[],
  beside: readonly number[],
  q: number,
  random: () => number,
): number {
  const ratios = Array.from(
    { length: RESAMPLES },
    () => quantile(resample(here, random), q) / quantile(resample(beside, random), q),
  );
  return quantile(ratios, LOW);
}

const REFUSALS = {
  refused: {
    isTyped: (code: string): boolean => isErrorCode(code) && code !== 'internal',
    msMax: REFUSED_MS_MAX,
  },
  held: {
    isTyped: (code: string): boolean => code === CANNOT_CONNECT_NOW,
    msMax: HOLD_MS + REFUSED_MS_MAX,
  },
};

function judgeRefused(
  { isTyped, msMax }: (typeof REFUSALS)['held'],
  here: readonly Sample[],
): Pick<Cell, 'held' | 'why'> {
  for (const { ms, failed } of here) {
    if (failed === undefined) return { held: false, why: 'one was not refused' };
    if (!isTyped(failed)) return { held: false, why: `refused with ${failed}` };
    if (ms > msMax) return { held: false, why: `refused after ${ms.toFixed(0)} ms` };
  }
  return { held: true };
}

/** @param random for the bootstrap. */
export function judge(
  word: Word,
  here: readonly Sample[],
  beside: readonly Sample[],
  random: () => number,
): Cell {
  const failed = here.filter((one) => one.failed !== undefined);
  const counts = { word, failed: failed.length, n: here.length };
  const none = { ratio: NaN, ratioLow: NaN };
  if (word === 'free' || here.length === 0) return { ...counts, ...none, held: true };
  if (word === 'refused' || word === 'held')
    return { ...counts, ...none, ...judgeRefused(REFUSALS[word], here) };
  const { q, most } = BOUNDS[word];
  const [mine, theirs] = [here, beside].map((of) =>
    timesOf(of.filter((one) => one.failed === undefined)),
  ) as [number[], number[]];
  const ratio = quantile(mine, q) / quantile(theirs, q);
  const low = failed.length === here.length ? NaN : ratioLow(mine, theirs, q, random);
  const figures = { ...counts, ratio, ratioLow: low };
  if (failed.length > 0)
    return { ...figures, held: false, why: `${failed.length} failed: ${failed[0]?.failed}` };
  if (low > most) return { ...figures, held: false, why: `${ratio.toFixed(2)} times as slow` };
  return { ...figures, held: true };
}
