import { expect, test } from '@jest/globals';
import { readKillsArguments } from '../../bench/kills/arguments.ts';
import { TARGETS, planKills } from '../../bench/kills/schedule.ts';
import { doublesIn } from '../../bench/kills/watcher.ts';

test('a seed decides who is killed when', () => {
  expect(planKills(20, 7)).toEqual(planKills(20, 7));
  expect(planKills(20, 7)).not.toEqual(planKills(20, 8));
});

test('every five kills hit each kind of process once', () => {
  const kills = planKills(15, 1);
  for (let i = 0; i < kills.length; i += TARGETS.length) {
    const five = kills.slice(i, i + TARGETS.length).map(({ target }) => target);
    expect(new Set(five).size).toBe(TARGETS.length);
  }
  for (const { afterMs, which } of kills) {
    expect(afterMs).toBeGreaterThanOrEqual(300);
    expect(afterMs).toBeLessThan(3_000);
    expect(which).toBeLessThan(1);
  }
});

test('processes of two incarnations on one directory are a double, of one they are not', () => {
  const on = (directory: string, epoch: number, pid: number) => ({
    pid,
    directory,
    incarnation: `/run/${directory}.${epoch}/log`,
  });
  expect(doublesIn([on('aaaa', 1, 10), on('aaaa', 1, 11), on('bbbb', 2, 12)])).toEqual([]);
  expect(doublesIn([on('aaaa', 1, 10), on('aaaa', 2, 11), on('bbbb', 2, 12)])).toEqual(['aaaa']);
});

test('kills takes a seed, a number and whether the lock is on', () => {
  expect(readKillsArguments(['--times', '3', '--seed', '9', '--no-lock'])).toEqual({
    times: 3,
    seed: 9,
    lock: 'off',
    workflows: false,
  });
  expect(readKillsArguments(['--workflows'])).toMatchObject({ workflows: true });
  expect(readKillsArguments([])).toMatchObject({ times: 10, lock: 'on' });
  expect(() => readKillsArguments(['--seed', 'x'])).toThrow('--seed must be a whole number');
});
