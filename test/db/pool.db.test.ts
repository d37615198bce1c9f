/** What becomes of a connection when a statement fails on it. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Hot } from '../../db/hot/hot.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot } from '../support/rows.ts';

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

async function serverPid(): Promise<number | undefined> {
  const [row] = await hot.quick<{ pid: number }>(
    { name: 'pid', text: 'select pg_backend_pid() as pid' },
    [],
  );
  return row?.pid;
}
const fails = (text: string) => hot.quick({ name: text, text }, []);

test('one that the server has answered with an error is used again', async () => {
  const before = await serverPid();
  await expect(fails('select 1 / 0')).rejects.toThrow('division by zero');
  expect(await serverPid()).toBe(before);
});

test('one that the server has ended is not, and the next statement goes by another', async () => {
  const before = await serverPid();
  await expect(fails('select pg_terminate_backend(pg_backend_pid())')).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(await serverPid()).not.toBe(before);
});
