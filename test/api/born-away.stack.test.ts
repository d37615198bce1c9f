/**
 * Databases that are made and fall asleep while hot Postgres is away are listed when it is back, though
 * every api and every agent that knew of them has ended meanwhile: the journals have them.
 */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import type { CreateAnswer, DatabaseDetail, SuspendAnswer } from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const { stack, call, whileHotIsFrozen } = operatedStack({ hosts: 2, warm: 2, slots: 'small=8' });

interface Listing {
  readonly databases: readonly DatabaseDetail[];
}

async function until<T>(look: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined && holds(found)) return found;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(found)}`);
    await pause(100);
  }
}

test('they are listed, asleep, and start', async () => {
  const made: CreateAnswer[] = [];
  await whileHotIsFrozen(async () => {
    for (let n = 0; n < 2; n++) {
      const one = await call<CreateAnswer>('', { body: { tenant: 'born', idle_ms: 3_600_000 } });
      made.push(one);
      const { outcome } = await call<SuspendAnswer>(`/${one.id}/suspend`, { body: { epoch: 1 } });
      expect(outcome).toBe('suspended');
    }
    for (const name of ['api', 'host-1', 'host-2']) expect(await stack().hold(name)).toBe(true);
    for (const name of ['host-1', 'host-2', 'api']) await stack().release(name);
  });
  const ids = made.map(({ id }) => id).sort();
  const { databases } = await until(
    () => call<Listing>('?tenant=born'),
    (found) => found.databases.length === ids.length,
  );
  expect(databases.map(({ id }) => id)).toEqual(ids);
  for (const { state } of databases) expect(state).toBe('suspended');
  for (const { connection_string } of made) {
    const client = await connect(connection_string);
    expect((await client.query('select 1')).rows).toEqual([[1]]);
    await client.end();
  }
}, 120_000);
