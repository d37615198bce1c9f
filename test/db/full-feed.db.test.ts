/** An event table that fills up because nobody comes for the events: what bills are made of has the last room. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Hot } from '../../db/hot/hot.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot } from '../support/rows.ts';

const ROWS_MAX = 8;

let database: TestDatabase;
let hot: Hot;
let seq = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 1);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});

async function insert(...kinds: readonly string[]): Promise<boolean | undefined> {
  const events = kinds.map((kind) => ({
    ...{ host: 'host-1', boot: 1, seq: ++seq, kind, at: '2026-11-28T00:00:00Z' },
    ...{ directory: 'aaaaaaaaaaaaaaaa', epoch: 1, size: 'small' },
  }));
  const text = 'select event_insert($1, $2) as taken';
  const values = [JSON.stringify(events), ROWS_MAX];
  return (await hot.durable<{ taken: boolean }>({ name: '', text }, values))[0]?.taken;
}

async function taken(): Promise<string[]> {
  const statement = { name: '', text: 'select kind from event order by id' };
  return (await hot.durable<{ kind: string }>(statement, [])).map(({ kind }) => kind);
}

test('summaries of sessions leave half of the table to all else', async () => {
  const half = ['started', 'sessions', 'suspended', 'sessions', 'started'];
  expect(await insert(...half)).toBe(true);
  // Acknowledged, so that those behind them in the journal come through.
  expect(await insert('sessions', 'suspended', 'sessions', 'started', 'suspended')).toBe(true);
  expect(await taken()).toEqual([...half, 'suspended', 'started', 'suspended']);
  expect(await insert('started', 'suspended')).toBe(true);
  expect(await insert('started')).toBe(false);
  expect(await taken()).toHaveLength(10);
});
