/** How long the pool lasts. */
import { describe, expect, test } from '@jest/globals';
import { autonomyMinutes, demandOf, type Demand } from '../../model/autonomy.ts';

/** Looked at once a minute for `minutes`, at `perMinute` each. */
function after(minutes: number, perMinute: number, from?: Demand): Demand {
  let demand = from ?? demandOf(undefined, 0, 0);
  for (let n = 0; n < minutes; n++)
    demand = demandOf(demand, demand.taken + perMinute, demand.at + 1);
  return demand;
}

describe('autonomy', () => {
  test('is the stock over what is taken a minute', () => {
    expect(autonomyMinutes(300, after(120, 5))).toBeCloseTo(60, 1);
  });

  test('follows demand within its memory', () => {
    const busy = after(120, 5);
    const quiet = after(30, 0, busy);
    expect(quiet.rate).toBeLessThan(0.3);
    expect(quiet.rate).toBeGreaterThan(0.2);
  });

  test('of a pool that nobody takes from, or that is given more than is taken, is a week', () => {
    expect(autonomyMinutes(10, after(5, 0))).toBe(7 * 24 * 60);
    expect(autonomyMinutes(10, after(60, -3))).toBe(7 * 24 * 60);
    expect(autonomyMinutes(0, after(1, 0))).toBe(7 * 24 * 60);
  });

  test('of an empty pool that is asked for is none', () => {
    expect(autonomyMinutes(0, after(5, 1))).toBe(0);
  });

  test('does not depend on how often it is looked at, nor on looking twice at once', () => {
    const often = after(60, 2);
    const once = demandOf(demandOf(undefined, 0, 0), 120, 60);
    expect(once.rate).toBeCloseTo(often.rate, 1);
    expect(demandOf(often, often.taken + 9, often.at).rate).toBe(often.rate);
  });
});
