/** What the proxy remembers of who may log in, and how those who wait share one call. */
import { describe, expect, test } from '@jest/globals';
import { AppError, codeOf } from '../../model/errors.ts';
import { ACCESS_AGAIN_MS } from '../../model/limits.ts';
import type { AccessAnswer } from '../../model/wire.ts';
import type { AccessLook } from '../../proxy/access-cache.ts';
import { accessOf, accessStage, DATABASE, never } from './access-stage.ts';

const silence = (): Promise<never> => Promise.reject(new AppError('unavailable'));
const unknown = (): Promise<never> => Promise.reject(new AppError('database_not_found'));

describe('an access entry', () => {
  test('is asked for once by all who wait, and again when it is two seconds old', async () => {
    const { stage, get } = accessStage();
    await Promise.all([get(), get(), get()]);
    expect(stage.asked).toBe(1);
    stage.now += 1_999;
    await get();
    expect(stage.asked).toBe(1);
    stage.now += 1;
    await get();
    expect(stage.asked).toBe(2);
  });

  test('of a database that does not exist is remembered as shortly', async () => {
    const { stage, get } = accessStage();
    stage.say = unknown;
    expect(await get()).toBeUndefined();
    expect(await get()).toBeUndefined();
    expect(stage.asked).toBe(1);
    stage.now += 2_000;
    stage.say = () => Promise.resolve(accessOf(1));
    expect(await get()).toEqual(accessOf(1));
  });

  test('is never replaced by an older version', async () => {
    const { stage, get } = accessStage();
    stage.say = () => Promise.resolve(accessOf(5));
    await get();
    stage.now += 2_000;
    stage.say = () => Promise.resolve(accessOf(4));
    expect(await get()).toEqual(accessOf(5));
  });

  test('is served stale while no api answers, for a day', async () => {
    const { stage, get } = accessStage();
    await get();
    stage.say = silence;
    stage.now += 2_000;
    expect(await get()).toEqual(accessOf(1));
    stage.answers = false;
    stage.say = () => new Promise(() => undefined);
    stage.now += 23 * 3_600_000;
    expect(await get()).toEqual(accessOf(1));
  });

  test('of a day ago is not served: who asks is held, then refused', async () => {
    const { stage, get } = accessStage();
    await get();
    stage.say = silence;
    stage.now += 24 * 3_600_000;
    expect(codeOf(await get().catch((error: unknown) => error))).toBe('waking');
  });

  test('of a name that can be no id is not asked for', async () => {
    const { stage, cache } = accessStage();
    const look = cache.look('../hosts', 0, never);
    expect(await look.salt).toBeUndefined();
    expect(await look.fresh).toBeUndefined();
    expect(stage.asked).toBe(0);
  });

  test('is gone as soon as the api says so', async () => {
    const { stage, get, cache } = accessStage();
    await get();
    stage.now += 2_000;
    stage.say = unknown;
    expect(await get()).toBeUndefined();
    expect(cache.peek(DATABASE)).toBeUndefined();
  });
});

describe('an access entry that has refused a proof', () => {
  const begin = async () => {
    const made = accessStage();
    await made.get();
    made.stage.now += 500;
    made.stage.say = () => Promise.resolve(accessOf(2));
    const look = (): AccessLook => made.cache.look(DATABASE, made.stage.now, never);
    return { ...made, look };
  };

  test('is asked for again, once by all whose login began before that', async () => {
    const { stage, look } = await begin();
    const looks = [look(), look()];
    expect(await looks[0]?.fresh).toEqual(accessOf(1));
    expect(await Promise.all(looks.map((one) => one.again(never)))).toEqual([
      accessOf(2),
      accessOf(2),
    ]);
    expect(stage.asked).toBe(2);
    expect(await looks[1]?.again(never)).toEqual(accessOf(2));
    expect(stage.asked).toBe(2);
  });

  test('is not asked for by a login that has asked for it', async () => {
    const { stage, look } = await begin();
    stage.now += 2_000;
    const one = look();
    await one.fresh;
    await one.again(never);
    expect(stage.asked).toBe(2);
  });

  test('is asked for after a pause if it has just been, and never from an answer of before', async () => {
    const { stage, look } = await begin();
    await look().again(never);
    stage.now += 1;
    stage.say = () => Promise.resolve(accessOf(3));
    const again = look().again(never);
    await new Promise((resolve) => setTimeout(resolve, 2 * ACCESS_AGAIN_MS));
    expect(stage.asked).toBe(2);
    stage.now += ACCESS_AGAIN_MS;
    expect(await again).toEqual(accessOf(3));

    // A call is in flight when a login begins: its answer may be older than the new password.
    stage.now += 500;
    let answer: (said: AccessAnswer) => void = () => undefined;
    stage.say = () => new Promise((resolve) => (answer = resolve));
    const before = look().again(never);
    stage.now += 1;
    const after = look().again(never);
    answer(accessOf(4));
    expect(await before).toEqual(accessOf(4));
    stage.say = () => Promise.resolve(accessOf(5));
    stage.now += ACCESS_AGAIN_MS;
    expect(await after).toEqual(accessOf(5));
  });

  test('is what it was while no api answers, and waited for no longer than one may', async () => {
    const { stage, look } = await begin();
    stage.say = silence;
    expect(await look().again(never)).toEqual(accessOf(1));
    stage.say = () => new Promise(() => undefined);
    const aborter = new AbortController();
    const again = look().again(aborter.signal);
    aborter.abort(new Error('too late'));
    await expect(again).rejects.toThrow('too late');
  });

  test('of a name that can be no id is not asked for', async () => {
    const { stage, cache } = accessStage();
    expect(await cache.look('../hosts', 0, never).again(never)).toBeUndefined();
    expect(stage.asked).toBe(0);
  });
});
