/** A server that answers no look promptly for a second is away, until it answers one. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { createBreaker, type Breaker } from '../../db/hot/breaker.ts';

/** Milliseconds that a look takes; Infinity: no answer. */
let takes = 0;
let looks = 0;
let breaker: Breaker;

beforeEach(() => {
  jest.useFakeTimers();
  [takes, looks] = [0, 0];
  breaker = createBreaker(
    () => {
      looks += 1;
      return new Promise((resolve) => {
        if (Number.isFinite(takes)) setTimeout(resolve, takes);
      });
    },
    () => performance.now(),
  );
});
afterEach(() => {
  breaker.stop();
  jest.useRealTimers();
});

const away = expect.objectContaining({ code: 'unavailable' });
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

test('one that answers is asked, and so is one whose first look is still under way', async () => {
  expect(breaker.check).not.toThrow();
  await pass(10_000);
  expect(breaker.check).not.toThrow();
  expect(looks).toBe(50);
});

test.each([Infinity, 500])('one whose looks take %d ms is away after a second', async (ms) => {
  await pass(5_000);
  takes = ms;
  await pass(800);
  expect(breaker.check).not.toThrow();
  await pass(700);
  expect(breaker.check).toThrow(away);
  await pass(60_000);
  expect(breaker.check).toThrow(away);
});

test('one that answers again is asked at once, while earlier looks still hang', async () => {
  takes = Infinity;
  await pass(10_000);
  expect(breaker.check).toThrow(away);
  takes = 5;
  await pass(250);
  expect(breaker.check).not.toThrow();
});

test('a look that fails is none that is answered, and one slow answer is no absence', async () => {
  takes = 390;
  await pass(10_000);
  expect(breaker.check).not.toThrow();
  breaker.stop();
  breaker = createBreaker(
    () => Promise.reject(new Error('refused')),
    () => performance.now(),
  );
  await pass(1_500);
  expect(breaker.check).toThrow(away);
});
