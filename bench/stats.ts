/** Arithmetic over samples. Pure. */

const ascending = (samples: readonly number[]): readonly number[] =>
  [...samples].sort((a, b) => a - b);

/**
 * The q-th quantile (0 to 1) with linear interpolation between neighbours (type 7 of Hyndman and
 * Fan, the default of R and numpy); NaN of no samples.
 */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = ascending(samples);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);
