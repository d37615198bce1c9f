/** When somebody wants a database, decided before anything runs, so that a slow answer delays nobody. */

/**
 * An open loop: gaps with the exponential distribution, so that arrivals know nothing of each other.
 * @param perSecond on average.
 * @returns milliseconds from the beginning, rising.
 */
export function planArrivals(random: () => number, count: number, perSecond: number): number[] {
  let at = 0;
  return Array.from({ length: count }, () => {
    at += (-Math.log(1 - random()) / perSecond) * 1_000;
    return at;
  });
}

/** Of `count` things the nearest whole number to an even share for each of `parts`; at least 1. */
export function shares(count: number, parts: number): number[] {
  const edge = (n: number): number => Math.round((count * n) / parts);
  return Array.from({ length: parts }, (_, n) => Math.max(1, edge(n + 1) - edge(n)));
}
