/** How long the pool lasts if nobody fills it up, at the demand of late. */

/** The demand's memory: what was asked for so long ago weighs a third. Autonomy is never more than a week. */
const MEMORY_MINUTES = 10;
const MINUTES_MAX = 7 * 24 * 60;

export interface Demand {
  /** Slots a minute. */
  readonly rate: number;
  /** How many were taken in all, and when that was looked at, in minutes. */
  readonly taken: number;
  readonly at: number;
}

export function demandOf(before: Demand | undefined, taken: number, at: number): Demand {
  if (before === undefined || at <= before.at) return { rate: before?.rate ?? 0, taken, at };
  const minutes = at - before.at;
  const weight = 1 - Math.exp(-minutes / MEMORY_MINUTES);
  const rate = before.rate + weight * ((taken - before.taken) / minutes - before.rate);
  return { rate, taken, at };
}

export const autonomyMinutes = (stock: number, { rate }: Demand): number =>
  rate * MINUTES_MAX > stock ? stock / rate : MINUTES_MAX;
