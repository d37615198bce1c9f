/** A server that takes no writes is away as a whole: what it has is stale from the first start without it. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { codeOf } from '../../model/errors.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot } from '../support/rows.ts';

const SETTLED_MS_MAX = 10_000;

let database: TestDatabase;
let hot: Hot;
beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 1);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});

/** As when another server takes over: sessions end, and the new ones find it otherwise. */
async function setReadOnly(to: 'on' | 'off'): Promise<void> {
  const client = await connect(database.url, { onError: () => undefined });
  await client.query('set default_transaction_read_only = off');
  await client.query(
    `do $$ begin execute format('alter database %I set default_transaction_read_only = ${to}', current_database()); end $$`,
  );
  await client.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  await client.end();
}

const read = () =>
  hot.quick<{ n: number }>({ name: 'one', text: 'select 1 as n' }, []).then(
    () => 'answered',
    (error: unknown) => codeOf(error),
  );

async function comesTo(wanted: string): Promise<void> {
  const deadline = performance.now() + SETTLED_MS_MAX;
  while ((await read()) !== wanted) {
    if (performance.now() > deadline) throw new Error(`a read is not ${wanted}`);
    await pause(50);
  }
}

test('reads are refused while it takes no writes, and answered when it does again', async () => {
  expect(await read()).toBe('answered');
  await setReadOnly('on');
  // Two in a row: not just the session that was ended.
  await comesTo('unavailable');
  await pause(1_500);
  for (let n = 0; n < 5; n++) expect(await read()).toBe('unavailable');
  await setReadOnly('off');
  await comesTo('answered');
});
