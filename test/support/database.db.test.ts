import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from '../../db/client.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from './database.ts';

async function tablesOf(url: string): Promise<string[]> {
  const client = await connect(url);
  const { rows } = await client.query(
    `select tablename::text from pg_tables where schemaname = 'public' order by 1`,
  );
  await client.end();
  return rows.map(([name]) => String(name));
}

describe('databases of tests', () => {
  let databases: TestDatabase[] = [];
  beforeAll(async () => {
    databases = await Promise.all([createTestDatabase(), createTestDatabase()]);
  });
  afterAll(() => Promise.all(databases.map((database) => database.drop())));

  test('a clone has what the migrations made', async () => {
    expect(await tablesOf(databases[0]?.url ?? '')).toContain('migration');
  });

  test('what one clone gets, another does not see', async () => {
    const client = await connect(databases[0]?.url ?? '');
    await client.query('create table mine (a int)');
    await client.end();
    expect(await tablesOf(databases[1]?.url ?? '')).not.toContain('mine');
  });

  test('an empty database has nothing, and a dropped one is gone', async () => {
    const empty = await createEmptyDatabase();
    expect(await tablesOf(empty.url)).toEqual([]);
    await empty.drop();
    await expect(connect(empty.url)).rejects.toThrow(/does not exist/);
  });
});
