/** With hot Postgres frozen: what runs is reached, what sleeps is woken, what is asked to sleep sleeps. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import type {
  CreateAnswer,
  DatabaseDetail,
  RouteAnswer,
  StartAnswer,
  SuspendAnswer,
} from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const {
  stack,
  call: ask,
  whileHotIsFrozen,
} = operatedStack({ hosts: 2, warm: 2, slots: 'small=8' });

const call = <T>(path: string, body?: object): Promise<T> =>
  ask<T>(path, { ...(body === undefined ? {} : { body }), timeoutMs: 10_000 });

const start = (id: string, body = {}) => call<StartAnswer>(`/${id}/start`, body);
const suspend = (id: string, epoch: number) =>
  call<SuspendAnswer>(`/${id}/suspend`, { epoch }).then(({ outcome }) => outcome);
const create = () => call<CreateAnswer>('', { tenant: 'acme', idle_ms: 3_600_000 });

async function query(made: CreateAnswer, sql: string): Promise<readonly unknown[][]> {
  const client = await connect(made.connection_string);
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Until the index says of a database what its host does. */
async function settled(id: string, wanted: object): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await call<DatabaseDetail>(`/${id}?awake=false`).catch(() => undefined);
    const is = Object.entries(wanted).every(([name, value]) => Object(found)[name] === value);
    if (is && found?.stale === false) return;
    if (Date.now() > deadline) expect(found).toMatchObject(wanted);
    await pause(50);
  }
}

test('databases run, wake and fall asleep, and the index has it all when it is back', async () => {
  const [runs, sleeps, storm] = [await create(), await create(), await create()];
  for (const made of [runs, sleeps, storm]) await query(made, 'create table t as select 1 as n');
  for (const { id } of [sleeps, storm]) expect(await suspend(id, 1)).toBe('suspended');

  await whileHotIsFrozen(async () => {
    expect(await query(runs, 'select n from t')).toEqual([[1]]);
    const route = await call<RouteAnswer>(`/${sleeps.id}/route`);
    expect(route).toMatchObject({ state: 'suspended', stale: true });
    const read = (id: string) => call<DatabaseDetail>(`/${id}`);
    expect(await read(sleeps.id)).toMatchObject({
      state: 'suspended',
      tenant: 'acme',
      stale: true,
    });
    expect(await read(runs.id)).toMatchObject({ state: 'running', epoch: 1, stale: true });
    await expect(ask(`/${runs.id}`, { method: 'PATCH', body: {} })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(await query(sleeps, 'select n from t')).toEqual([[1]]);
    expect(await start(sleeps.id)).toMatchObject({ state: 'running', epoch: 2 });
    expect(await suspend(sleeps.id, 2)).toBe('suspended');
    expect(await query(sleeps, 'select n from t')).toEqual([[1]]);
    // That address does not answer, they say; it does, so that it is not started anew.
    expect(await start(sleeps.id, { stale_epoch: 3 })).toMatchObject({ epoch: 3 });
    const all = await Promise.all(
      Array.from({ length: 20 }, () => query(storm, 'select n from t')),
    );
    expect(all.flat()).toHaveLength(20);
    expect(await start(storm.id)).toMatchObject({ epoch: 2, cold_start: 'running' });
    expect(await suspend(runs.id, 1)).toBe('suspended');
    await expect(call(`/${'db-'.padEnd(23, 'a')}/start`, {})).rejects.toMatchObject({
      code: 'database_not_found',
    });
  });

  await settled(runs.id, { state: 'suspended', epoch: 1 });
  await settled(sleeps.id, { state: 'running', epoch: 3 });
  await settled(storm.id, { state: 'running', epoch: 2 });
  expect(await suspend(sleeps.id, 3)).toBe('suspended');
  expect(await query(sleeps, 'select n from t')).toEqual([[1]]);
  await settled(sleeps.id, { state: 'running', epoch: 4 });
  expect(await query(runs, 'select n from t')).toEqual([[1]]);
}, 120_000);

test('a change goes by another host while the one where it runs does not answer', async () => {
  const { id } = await create();
  const { host } = await call<DatabaseDetail>(`/${id}?awake=false`);
  const agent = stack().endpoints.processes[host ?? ''] ?? 0;
  expect(agent).toBeGreaterThan(1);
  process.kill(agent, 'SIGSTOP');
  try {
    const labels = { by: 'another' };
    await ask(`/${id}`, { method: 'PATCH', body: { labels }, timeoutMs: 5_000 });
    expect(await call(`/${id}?awake=false`)).toMatchObject({ labels });
  } finally {
    process.kill(agent, 'SIGCONT');
  }
});
