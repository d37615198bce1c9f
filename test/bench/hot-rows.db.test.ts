/** The index that benches fill is one that the product can claim in. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { benchDatabaseId, fillIndex, type BenchHost } from '../../bench/hot-rows.ts';
import { withClient } from '../../bench/hot-server.ts';
import { openInProcess } from '../../bench/in-process.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const HOSTS: readonly BenchHost[] = [
  { host: 'host-1', slots: 3 },
  { host: 'host-2', slots: 5 },
];
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await withClient(database.url, (client) => fillIndex(client, 20, HOSTS));
});
afterAll(() => database.drop());

const numbers = async (sql: string): Promise<unknown> =>
  withClient(database.url, async (client) => (await client.query(sql)).rows[0]);

it('has as many sleeping databases and vacant slots as were asked for', async () => {
  expect(
    await numbers(`select (select count(*)::int from database where state = 'suspended'),
      (select count(*)::int from slot_vacant where host_id = 'host-2')`),
  ).toEqual([20, 5]);
});

it('has every id that the bench names, and a cycle of the product leaves it as it was', async () => {
  const product = openInProcess(database.url, HOSTS);
  try {
    for (let n = 0; n < 20; n++) {
      const id = benchDatabaseId(n);
      const epoch = await product.start(id);
      expect(epoch).toBe(2);
      await product.suspend(id, epoch);
    }
    expect(await numbers('select count(*)::int from slot_vacant')).toEqual([8]);
  } finally {
    await product.close();
  }
});
