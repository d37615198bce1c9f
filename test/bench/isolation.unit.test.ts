import { expect, test } from '@jest/globals';
import { planArrivals, shares } from '../../bench/isolation/arrivals.ts';
import { busyBetween } from '../../bench/isolation/calm.ts';
import { ARMS, nameOf, PATIENCE_MS, resultOf, type Sample } from '../../bench/isolation/samples.ts';
import { createRandom } from '../../bench/random.ts';

test('arrivals rise, repeat with their seed, and come as often as they are to', () => {
  const plan = planArrivals(createRandom(6), 4_000, 4);
  expect(plan).toEqual(planArrivals(createRandom(6), 4_000, 4));
  expect(plan).toEqual([...plan].sort((a, b) => a - b));
  expect(4_000 / ((plan.at(-1) ?? 0) / 1_000)).toBeCloseTo(4, 0);
});

test('gaps between arrivals know nothing of each other: a third is longer than the mean', () => {
  const plan = planArrivals(createRandom(1), 10_000, 10);
  const longer = plan.filter((at, n) => at - (plan[n - 1] ?? 0) > 100);
  expect(longer.length / plan.length).toBeCloseTo(Math.exp(-1), 1);
});

test('turns have even shares of all arrivals, and never none', () => {
  expect(shares(300, 5)).toEqual([60, 60, 60, 60, 60]);
  expect(shares(7, 5).reduce((a, b) => a + b)).toBe(7);
  expect(shares(2, 5)).toEqual(expect.arrayContaining([1]));
  expect(Math.min(...shares(2, 5))).toBe(1);
});

test('a machine is busy by what is neither idle nor counted twice', () => {
  // user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
  const before = [100, 0, 0, 100, 0, 0, 0, 0, 50, 0];
  expect(busyBetween(before, [110, 0, 10, 180, 0, 0, 0, 0, 60, 0])).toBeCloseTo(0.2);
  expect(busyBetween(before, before)).toBe(0);
});

const answered = (ms: number): Sample => ({ ms });
const failed = (ms: number): Sample => ({ ms, failed: 'unavailable: nobody' });
const twenty = (ms: number): Sample[] => Array.from({ length: 20 }, () => answered(ms));

function given(change: Readonly<Record<string, readonly Sample[]>>) {
  const all = Object.fromEntries(ARMS.map((arm) => [nameOf(arm), twenty(20)]));
  return resultOf({ ...all, ...change });
}

test('the figures compare each arm with the same plane at rest', () => {
  const { figures, broken } = given({ 'ours storm': twenty(24), 'naive storm': twenty(400) });
  expect(figures).toMatchObject({
    storm_ratio_p95: 1.2,
    storm_ratio_p99: 1.2,
    engine_down_ratio_p95: 1,
    naive_storm_p99_ms: 400,
    ours_storm_p99_ms: 24,
    naive_success_engine_down: 1,
    n: 20,
  });
  expect(broken).toBeUndefined();
  expect(Object.keys(figures).slice(0, 6)).toEqual([
    'storm_ratio_p95',
    'storm_ratio_p99',
    'engine_down_ratio_p95',
    'naive_storm_p99_ms',
    'ours_storm_p99_ms',
    'naive_success_engine_down',
  ]);
});

test('whoever was not answered has waited for as long as a caller waits, however soon it failed', () => {
  const { figures, samples } = given({
    'naive down': [...twenty(1).slice(0, 15), ...Array.from({ length: 5 }, () => failed(3))],
    'naive storm': [...twenty(20), failed(1)],
  });
  expect(figures['naive_success_engine_down']).toBe(0.75);
  expect(figures['naive_storm_p99_ms']).toBeGreaterThan(PATIENCE_MS / 2);
  expect(samples['naive storm']?.at(-1)).toBe(PATIENCE_MS);
});

test.each([
  ['ours storm', twenty(25.2), 'storm_ratio_p95 is above 1.25'],
  ['ours down', twenty(22.2), 'engine_down_ratio_p95 is above 1.1'],
  ['ours down', [...twenty(20), failed(7)], 'a start failed: unavailable: nobody'],
])('%s beyond its bar is broken', (arm, samples, why) => {
  expect(given({ [arm]: samples }).broken).toContain(why);
});

test('what happens to the naive plane breaks nothing', () => {
  const { broken } = given({ 'naive storm': twenty(4_000), 'naive down': [failed(1)] });
  expect(broken).toBeUndefined();
});
