/** A silent server is asked by one statement at a time, and a busy one by all. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createBreaker, type Breaker } from '../../db/hot/breaker.ts';
import { AppError } from '../../model/errors.ts';

let at = 0;
let ran = 0;
let guarded: Breaker;
beforeEach(() => {
  [at, ran] = [0, 0];
  guarded = createBreaker(() => at);
});

const unavailable = { code: 'unavailable' };
const answers = () => guarded(async () => ++ran);
const fails = () =>
  guarded(() => {
    ran += 1;
    return Promise.reject(new AppError('unavailable'));
  });

/** One that is under way until it is ended. */
function hanging() {
  let end = { well: (): void => undefined, badly: (): void => undefined };
  const work = guarded(
    () =>
      new Promise<void>((resolve, reject) => {
        ran += 1;
        end = { well: resolve, badly: () => reject(new AppError('unavailable')) };
      }),
  );
  return { work, ...end };
}

async function goAway() {
  at = 2_000;
  await expect(fails()).rejects.toMatchObject(unavailable);
  ran = 0;
}

test('one that has answered lately is only busy: what fails keeps nobody from asking', async () => {
  await answers();
  at = 900;
  await expect(fails()).rejects.toMatchObject(unavailable);
  const [first, second] = [hanging(), hanging()];
  expect(ran).toBe(4);
  first.well();
  second.well();
  await Promise.all([first.work, second.work]);
});

describe('one that is away', () => {
  test('is asked by one at a time, the others are refused without asking', async () => {
    await goAway();
    const asking = hanging();
    await expect(answers()).rejects.toMatchObject(unavailable);
    expect(ran).toBe(1);
    asking.badly();
    await expect(asking.work).rejects.toMatchObject(unavailable);
    await expect(fails()).rejects.toMatchObject(unavailable);
    expect(ran).toBe(2);
  });

  test('is asked by all as soon as it has answered one', async () => {
    await goAway();
    await answers();
    const [first, second] = [hanging(), hanging()];
    expect(ran).toBe(3);
    first.well();
    second.well();
    await Promise.all([first.work, second.work]);
  });

  test('has come back also where its answer is an error', async () => {
    await goAway();
    const refused = guarded(() => Promise.reject(new Error('duplicate key')));
    await expect(refused).rejects.toThrow('duplicate key');
    const [first, second] = [hanging(), hanging()];
    expect(ran).toBe(2);
    first.well();
    second.well();
    await Promise.all([first.work, second.work]);
  });
});
