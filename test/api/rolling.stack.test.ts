/** A restart of everything, one process after the other: no start fails, and no connection that tries the next proxy. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { AppError, ERRORS } from '../../model/errors.ts';
import type { CreateAnswer, DatabaseDetail, StartAnswer } from '../../model/wire.ts';
import { createApiClient, type ApiClient } from '../../proxy/api-client.ts';

const CALL_MS = 10_000;
const IDLE_MS = 3_600_000;

let stack: Stack;
let api: ApiClient;
beforeAll(async () => {
  const settings = { PILOTLIGHT_SLOTS: 'small=8' };
  stack = await startTemporaryStack({
    ...{ hosts: 2, apis: 2, proxies: 2, warm: 0, settings },
    say: () => undefined,
  });
  const { urls, tokens } = stack.endpoints.api;
  api = createApiClient({ urls, token: tokens['operator'] ?? '' });
}, 60_000);
afterAll(async () => {
  api.close();
  await stack.stop();
});

const call = <T>(path: string, body?: object): Promise<T> =>
  api.call<T>(`/v1/databases${path}`, { timeoutMs: CALL_MS, ...(body && { body }) });
const create = () => call<CreateAnswer>('', { tenant: 'acme', idle_ms: IDLE_MS });

/** A suspend may have to wait for its agent. */
async function sleep(id: string): Promise<void> {
  for (const deadline = performance.now() + 20_000; ; await pause(100))
    try {
      const { state, epoch } = await call<DatabaseDetail>(`/${id}?awake=false`);
      if (state === 'suspended') return;
      await call(`/${id}/suspend`, { epoch });
    } catch (error) {
      const again = error instanceof AppError && ERRORS[error.code].retryable;
      if (!again || performance.now() > deadline) throw error;
    }
}

/** As a driver with several hosts in its string: the next if one does not let it in. */
async function visit({ connection_string }: CreateAnswer, first: number): Promise<void> {
  const { ports } = stack.endpoints.proxy;
  let last: unknown;
  for (let n = 0; n < ports.length; n++)
    try {
      const url = new URL(connection_string);
      url.port = String(ports[(first + n) % ports.length]);
      const client = await connect(url.toString(), { onError: () => undefined });
      await client.query('select 1');
      return await client.end();
    } catch (error) {
      last = error;
    }
  throw last;
}

async function restart(name: string): Promise<void> {
  const before = stack.processes()[name];
  expect(stack.kill(name, 'SIGTERM')).toBe(true);
  const deadline = performance.now() + 20_000;
  while ([undefined, before].includes(stack.processes()[name])) {
    if (performance.now() > deadline) throw new Error(`${name} is not started again`);
    await pause(50);
  }
  // As a person would: the next when this one serves, and the apis have heard of it.
  await pause(2_000);
}

test('starts and connections go on through a restart of all', async () => {
  const [started, visited] = [await create(), await create()];
  const failed: string[] = [];
  const done = { starts: 0, visits: 0 };
  let going = true;
  const lane = async (work: (n: number) => Promise<unknown>): Promise<void> => {
    for (let n = 0; going; n++)
      await work(n).catch((error: unknown) => {
        failed.push(String(error));
      });
  };
  const lanes = [
    lane(async () => {
      await sleep(started.id);
      const answer = await call<StartAnswer>(`/${started.id}/start`, {});
      expect(answer.state).toBe('running');
      done.starts += 1;
    }),
    lane(async (n) => {
      await sleep(visited.id);
      await visit(visited, n);
      done.visits += 1;
    }),
  ];
  for (const name of ['api', 'api-2', 'proxy', 'proxy-2', 'host-1', 'host-2']) await restart(name);
  going = false;
  await Promise.all(lanes);
  expect(failed).toEqual([]);
  expect(Math.min(done.starts, done.visits)).toBeGreaterThan(10);
}, 120_000);
