import { expect, test } from '@jest/globals';
import { lineOf, readBenchArguments, wholeNumber } from '../../bench/harness.ts';
import { median, quantile } from '../../bench/stats.ts';

test('quantiles interpolate between neighbours, whatever the order', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([10, 20], 0.99)).toBeCloseTo(19.9);
  expect(quantile([5], 0.99)).toBe(5);
  expect(median([])).toBeNaN();
});

test('the last line has counts as they are and measures with two digits', () => {
  expect(lineOf('wake', { ratio_p50: 1.2345, n: 120 })).toBe('wake: ratio_p50=1.23 n=120');
});

test('arguments of a bench are its name, how often, and where the samples go', () => {
  expect(readBenchArguments(['wake', '--times', '5', '--json', 'out.json'])).toEqual({
    name: 'wake',
    times: 5,
    json: 'out.json',
  });
  expect(readBenchArguments([]).name).toBeUndefined();
});

test('a wrong argument is one sentence', () => {
  expect(() => readBenchArguments(['wake', '--time', '5'])).toThrow("Unknown option '--time'");
  expect(() => wholeNumber('--times', 'many')).toThrow('--times must be a whole number');
});
