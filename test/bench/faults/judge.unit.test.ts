import { describe, expect, test } from '@jest/globals';
import { judge, ratioLow, type Sample, type Word } from '../../../bench/faults/judge.ts';
import { createRandom } from '../../../bench/random.ts';

const took = (ms: (i: number) => number, n = 300): Sample[] =>
  Array.from({ length: n }, (_, i) => ({ ms: ms(i) }));
const usual = took((i) => 20 + (i % 10));
const of = (word: Word, here: Sample[], beside = usual) =>
  judge(word, here, beside, createRandom(1));

describe('a cell that promises the same', () => {
  test('is held by what is as quick, and by a little more', () => {
    expect(of('same', usual)).toMatchObject({ held: true, ratio: 1, failed: 0, n: 300 });
    expect(
      of(
        'same',
        took((i) => 1.2 * (20 + (i % 10))),
      ),
    ).toMatchObject({ held: true });
  });
  test('is broken by a slow tail, not by one slow sample', () => {
    expect(
      of(
        'same',
        took((i) => (i % 10 === 0 ? 60 : 20)),
      ),
    ).toMatchObject({ held: false });
    expect(
      of(
        'same',
        took((i) => (i === 7 ? 900 : 20 + (i % 10))),
      ),
    ).toMatchObject({ held: true });
  });
  test('is broken by one failure', () => {
    const here = [...usual.slice(1), { ms: 3, failed: 'unavailable' }];
    expect(of('same', here)).toMatchObject({
      held: false,
      failed: 1,
      why: '1 failed: unavailable',
    });
    expect(
      of(
        'same',
        here.map(({ ms }) => ({ ms, failed: 'x' })),
      ),
    ).toMatchObject({ held: false });
  });
});

test('a cell that promises to be degraded goes by the median', () => {
  expect(
    of(
      'degraded',
      took((i) => (i % 10 === 0 ? 600 : 30)),
    ),
  ).toMatchObject({ held: true });
  expect(
    of(
      'degraded',
      took(() => 60),
    ),
  ).toMatchObject({ held: false });
});

describe('a cell that promises a refusal', () => {
  const refused = (failed: string, ms = 5): Sample[] => [{ ms, failed }];
  test.each([
    ['a typed one', refused('unavailable'), true],
    ['one that took long', refused('unavailable', 1_500), false],
    ['a bug', refused('internal'), false],
    ['one of no known code', refused('ECONNRESET'), false],
    ['a success', [{ ms: 1 }], false],
  ])('by %s: %#', (_, here, held) => {
    expect(of('refused', here)).toMatchObject({ held });
  });
});

describe('a cell that promises that a proxy holds', () => {
  test.each([
    ['57P03 when the hold is over', [{ ms: 4_100, failed: '57P03' }], true],
    ['one that was held too long', [{ ms: 5_100, failed: '57P03' }], false],
    ['one of the api', [{ ms: 4_100, failed: 'unavailable' }], false],
    ['a success', [{ ms: 1 }], false],
  ])('by %s: %#', (_, here, held) => {
    expect(of('held', here)).toMatchObject({ held });
  });
});

test('the lower bound is below the ratio, and above 1.25 only for what is surely slower', () => {
  const quick = usual.map(({ ms }) => ms);
  const slow = quick.map((ms) => ms * 1.5);
  expect(ratioLow(slow, quick, 0.95, createRandom(2))).toBeGreaterThan(1.25);
  expect(ratioLow(slow, quick, 0.95, createRandom(2))).toBeLessThanOrEqual(1.5);
  expect(ratioLow(quick, quick, 0.95, createRandom(2))).toBeLessThanOrEqual(1);
});

test('what promises nothing is held', () => {
  expect(
    judge(
      'free',
      took(() => 9_999),
      usual,
      createRandom(1),
    ),
  ).toMatchObject({ held: true });
});
