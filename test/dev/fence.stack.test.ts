/** A host that is frozen whole keeps its locks: the runner ends it, and its databases start elsewhere. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import { findOccupants } from '../../dev/occupants.ts';
import type { CreateAnswer, DatabaseDetail } from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const { stack, call } = operatedStack({ hosts: 2, warm: 1, slots: 'small=4' });

async function query(made: CreateAnswer, sql: string): Promise<unknown> {
  const client = await connect(made.connection_string, { connectTimeoutMs: 12_000 });
  try {
    return (await client.query(sql)).rows[0]?.[0];
  } finally {
    await client.end();
  }
}

/** Tries again until it is let in. @returns after how many milliseconds. */
async function reached(made: CreateAnswer, sql: string): Promise<number> {
  const began = performance.now();
  for (;;) {
    const found = await query(made, sql).catch(() => undefined);
    if (found !== undefined) {
      expect(found).toBe(1);
      return performance.now() - began;
    }
    if (performance.now() - began > 40_000) throw new Error('it is not reached');
    await pause(100);
  }
}

const incarnations = (): Set<string> =>
  new Set(findOccupants(`${stack().endpoints.volume}/directories`).map((one) => one.incarnation));

test('an agent that is silent while its Postgres answers is not fenced; a host that is silent whole is', async () => {
  const create = () => call<CreateAnswer>('', { body: { tenant: 'acme', idle_ms: 3_600_000 } });
  const made = await create();
  await query(made, 'create table t as select 1 as n');
  const { host } = await call<DatabaseDetail>(`/${made.id}`);
  const name = String(host);
  const before = [...incarnations()];

  stack().kill(name, 'SIGSTOP');
  // Longer than until its heartbeat has stood still, and until others would take what it runs.
  await pause(9_000);
  await call(`/${made.id}/start`, { body: { stale_epoch: made.epoch }, timeoutMs: 12_000 }).catch(
    () => undefined,
  );
  await pause(1_500);
  expect([...incarnations()]).toEqual(expect.arrayContaining(before));
  expect(await query(made, 'select n from t')).toBe(1);
  stack().kill(name, 'SIGCONT');
  await reached(made, 'select n from t');

  stack().killWhole(name, 'SIGSTOP');
  expect(await reached(made, 'select n from t')).toBeLessThan(20_000);
  expect((await call<DatabaseDetail>(`/${made.id}`)).host).not.toBe(name);
  stack().killWhole(name, 'SIGCONT');
}, 120_000);
