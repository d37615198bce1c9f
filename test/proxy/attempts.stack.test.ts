/** A flood of false logins: it is refused before anything is computed or woken, and touches nobody else. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { LOGIN_FAILURES_BURST, LOGIN_FAILURES_PER_SECOND } from '../../model/limits.ts';
import { ask, createStage, failureOf, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await createStage();
});
afterAll(() => stage.end());

const wrong = () => failureOf(ask(stage.client({ password: 'wrong' }), 'select 1'));

test('a flood of them is judged as slowly as that, and nobody else is touched', async () => {
  const LANES = 30;
  const FOR_MS = 4_000;
  const began = performance.now();
  const said: string[] = [];
  const lane = async (): Promise<void> => {
    while (performance.now() - began < FOR_MS) said.push((await wrong()).code ?? '');
  };
  const flood = Promise.all(Array.from({ length: LANES }, lane));
  expect(await ask(stage.client({ user: 'tight' }), 'select 1')).toBe(1);
  await flood;
  expect(new Set(said)).toEqual(new Set(['28P01', '53300']));
  const seconds = (performance.now() - began) / 1_000;
  const judged = said.filter((code) => code === '28P01').length;
  // Those that were under way when the bound was reached, too.
  const most = LOGIN_FAILURES_BURST + seconds * LOGIN_FAILURES_PER_SECOND + LANES;
  expect(judged).toBeLessThanOrEqual(most);
  await pause(6_000);
  expect(await ask(stage.client(), 'select 1')).toBe(1);
}, 60_000);
