import { expect, test } from '@jest/globals';
import { readCyclesArguments } from '../../bench/cycles/arguments.ts';
import { ConfigError } from '../../lib/config-error.ts';

test('cycles takes how many databases, how many lives of each, and a seed', () => {
  const args = ['200', '50', '--seed', '3'];
  expect(readCyclesArguments(args)).toEqual({ databases: 200, cycles: 50, seed: 3 });
  expect(readCyclesArguments([])).toMatchObject({ databases: 20, cycles: 5 });
});

test.each([[['x']], [['1', '-2']], [['1', '2', '3']], [['--times', '4']]])(
  '%j is refused with one sentence',
  (args) => {
    expect(() => readCyclesArguments(args)).toThrow(ConfigError);
  },
);
