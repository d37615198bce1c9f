/** What the cold plane asks of the api: starts above the floor, passwords, undelete. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processesBelow } from '../../dev/process-table.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions, JsonClient } from '../../lib/json-client.ts';
import { makeVerifier, parseVerifier } from '../../lib/verifier.ts';
import type { AccessAnswer, CreateAnswer, PasswordAnswer, StartAnswer } from '../../model/wire.ts';
import { isLowered } from '../support/lowered.ts';

let stack: Stack;
let cold: JsonClient;
let operator: JsonClient;

beforeAll(async () => {
  stack = await startTemporaryStack({
    say: () => undefined,
    hosts: 1,
    warm: 0,
    settings: { PILOTLIGHT_SLOTS: 'small=4' },
  });
  cold = createJsonClient(stack.endpoints.api.tokens['cold'] ?? '');
  operator = createJsonClient(stack.endpoints.api.tokens['operator'] ?? '');
}, 60_000);
afterAll(async () => {
  cold.close();
  operator.close();
  await stack.stop();
});

const call = <T>(client: JsonClient, path: string, options: Partial<CallOptions> = {}) =>
  client.call<T>(`${stack.endpoints.api.url}/v1/databases${path}`, {
    timeoutMs: 20_000,
    ...options,
  });
const start = (client: JsonClient, id: string, body: object = {}) =>
  call<StartAnswer>(client, `/${id}/start`, { body });
const maintain = (id: string) => start(cold, id, { priority: 'maintenance' });

async function asleep(): Promise<CreateAnswer> {
  const made = await call<CreateAnswer>(operator, '', { body: { tenant: 'acme' } });
  await call(operator, `/${made.id}/suspend`, { body: { epoch: made.epoch } });
  return made;
}

async function sleepAgain(id: string): Promise<void> {
  const { epoch } = await call<{ epoch: number }>(operator, `/${id}`);
  await call(operator, `/${id}/suspend`, { body: { epoch } });
}

test('maintenance wakes only what leaves two slots to demand, and demand takes those', async () => {
  const [a, b, c] = [await asleep(), await asleep(), await asleep()].map(({ id }) => id);
  if (a === undefined || b === undefined || c === undefined) throw new Error('no databases');
  expect(await maintain(a)).toMatchObject({ state: 'running', cold_start: 'resume' });
  expect(await maintain(a)).toMatchObject({ state: 'running', cold_start: 'running' });
  expect(await maintain(b)).toMatchObject({ state: 'running' });
  await expect(maintain(c)).rejects.toMatchObject({ code: 'below_floor' });
  // At the same moment: what is refused to maintenance is not refused to who came with it.
  const both = await Promise.allSettled([maintain(c), start(operator, c)]);
  expect(both[1]).toMatchObject({ status: 'fulfilled', value: { state: 'running' } });
  for (const id of [a, b, c]) await sleepAgain(id);
});

test('several starts of maintenance at once are made in turn, and none stays lowered', async () => {
  const [a, b] = [await asleep(), await asleep()].map(({ id }) => id);
  if (a === undefined || b === undefined) throw new Error('no databases');
  const answers = await Promise.all([maintain(a), maintain(b), start(operator, b)]);
  // Whichever of the last two came first: it is one start.
  const running = { state: 'running', epoch: 2 };
  expect(answers).toMatchObject([running, running, running]);
  const servers = processesBelow(join(stack.endpoints.volume, 'directories'));
  expect(servers.length).toBeGreaterThan(2);
  expect(servers.filter(({ pid }) => isLowered(pid))).toEqual([]);
  for (const id of [a, b]) await sleepAgain(id);
});

test('a new password comes beside the old one with its salt; a revoke leaves the newest', async () => {
  const { id, password } = await asleep();
  const before = await call<{ epoch: number; state: string }>(operator, `/${id}`);
  const change = (phase: string, client = cold) =>
    call<PasswordAnswer>(client, `/${id}/password`, { body: { role: 'owner', phase } });
  const proxy = createJsonClient(await proxyToken());
  const verifiers = async () =>
    (await call<AccessAnswer>(proxy, `/${id}/access`)).roles['owner']?.verifiers ?? [];
  const [old = ''] = await verifiers();
  const { salt, iterations } = parseVerifier(old) ?? { salt: Buffer.alloc(0), iterations: 0 };
  const made = (text: string | undefined) => makeVerifier(text ?? '', salt, iterations);
  expect(await made(password)).toBe(old);
  await change('add');
  const second = await change('add', operator);
  expect(await verifiers()).toEqual([old, await made(second.password)]);
  expect(await change('revoke')).toEqual({ id, role: 'owner' });
  expect(await change('revoke')).toEqual({ id, role: 'owner' });
  expect(await verifiers()).toEqual([await made(second.password)]);
  expect(await call(operator, `/${id}`)).toMatchObject(before);
  proxy.close();
});

test('what is no password change is refused', async () => {
  const { id } = await asleep();
  const gone = `db-${'z'.repeat(20)}`;
  const creator = createJsonClient(stack.endpoints.api.tokens['create'] ?? '');
  const change = (body: object, of = id, client = cold) =>
    call(client, `/${of}/password`, { body });
  const add = { role: 'owner', phase: 'add' };
  await expect(change({ ...add, phase: 'swap' })).rejects.toMatchObject({ code: 'bad_request' });
  await expect(change({ ...add, role: 'nobody' })).rejects.toMatchObject({ code: 'bad_request' });
  await expect(change(add, gone)).rejects.toMatchObject({ code: 'database_not_found' });
  await expect(change(add, id, creator)).rejects.toMatchObject({ code: 'forbidden' });
  creator.close();
});

test('an undelete brings a database back, asleep, and nothing else touches a tombstone', async () => {
  const { id } = await asleep();
  const undelete = () => call(cold, `/${id}/undelete`, { method: 'POST' });
  await start(operator, id);
  await call(operator, `/${id}`, { method: 'DELETE' });
  expect(await call(operator, `/${id}`)).toMatchObject({ state: 'deleting' });
  await expect(start(operator, id)).rejects.toMatchObject({ code: 'database_deleted' });
  await expect(
    call(operator, `/${id}`, { method: 'PATCH', body: { idle_ms: 5 } }),
  ).rejects.toMatchObject({ code: 'database_deleted' });
  expect(await undelete()).toEqual({ id });
  expect(await call(operator, `/${id}`)).toMatchObject({ state: 'suspended', deleted_at: null });
  expect(await start(operator, id)).toMatchObject({ state: 'running' });
  expect(await undelete()).toEqual({ id });
});

async function proxyToken(): Promise<string> {
  const secrets = JSON.parse(
    await readFile(`${stack.endpoints.home}/secrets.json`, 'utf8'),
  ) as Record<string, string>;
  return secrets['api_token_proxy'] ?? '';
}
