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

test('after a burst nobody from there gets in as that role for a moment, and others do', async () => {
  const first = await Promise.all(Array.from({ length: LOGIN_FAILURES_BURST }, wrong));
  expect(new Set(first.map(({ code }) => code))).toEqual(new Set(['28P01']));
  // Each also takes a moment away: some more fail.
  const more = await Promise.all(Array.from({ length: 2 * LOGIN_FAILURES_BURST }, wrong));
  const refused = more.find(({ code }) => code === '53300');
  expect(refused).toMatchObject({ hint: 'Try again in about 1 s.' });
  const right = await failureOf(ask(stage.client(), 'select 1'));
  expect(right.code).toBe('53300');
  expect(stage.epoch()).toBe(0);
  expect(await ask(stage.client({ user: 'tight' }), 'select 1')).toBe(1);
  const over = more.filter(({ code }) => code === '28P01').length;
  await pause((1_000 * (over + 1)) / LOGIN_FAILURES_PER_SECOND + 1_000);
  expect(await ask(stage.client(), 'select 1')).toBe(1);
}, 60_000);
