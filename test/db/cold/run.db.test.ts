import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Cold } from '../../../db/cold/pool.ts';
import { runCounts } from '../../../db/cold/run-counts.ts';
import { runCreate } from '../../../db/cold/run-create.ts';
import { runEnd } from '../../../db/cold/run-end.ts';
import { runFind } from '../../../db/cold/run-find.ts';
import { runItemClaim } from '../../../db/cold/run-item-claim.ts';
import { runItemDefer, runItemEnd } from '../../../db/cold/run-item-end.ts';
import { runItemList } from '../../../db/cold/run-item-list.ts';
import { runItemAbandoned, runItemRetryFailed } from '../../../db/cold/run-item-retry.ts';
import { ask, givenLive, openTestCold } from '../../support/cold.ts';
import { createColdTestDatabase, type TestDatabase } from '../../support/database.ts';

const RUN = 'migrate:test';
const IDS = ['db-a', 'db-b', 'db-c', 'db-d', 'db-e'];

describe('runs and their items', () => {
  let database: TestDatabase;
  let cold: Cold;
  beforeAll(async () => {
    database = await createColdTestDatabase();
    cold = openTestCold(database);
    await givenLive(cold, IDS);
    await ask(
      cold,
      `insert into database (id, tenant, size, state, created_ms, event_id)
      values ('db-gone', 'tenant', 'small', 'deleted', 0, 0)`,
    );
  });
  afterAll(async () => {
    await cold.close();
    await database.drop();
  });
  beforeEach(async () => {
    await ask(cold, 'delete from run');
  });

  const make = (targets: 'all' | readonly string[] = 'all') =>
    runCreate(cold, { run: RUN, verb: 'fleetMigration', spec: { sum: 'x' }, targets });

  test('a run of all has the databases that live', async () => {
    expect(await make()).toEqual({ created: true, items: 5, missing: 0 });
    const waiting = await runItemList(cold, RUN, 'waiting', '', 10);
    expect(waiting.map((row) => row.item)).toEqual(IDS);
  });

  test('of a list, what does not live is skipped and says why', async () => {
    expect(await make(['db-a', 'db-gone', 'db-never', 'db-a'])).toEqual({
      created: true,
      items: 1,
      missing: 2,
    });
    const skipped = await runItemList(cold, RUN, 'skipped', '', 10);
    expect(skipped.map((row) => [row.item, row.error])).toEqual([
      ['db-gone', 'database_not_found'],
      ['db-never', 'database_not_found'],
    ]);
  });

  test('a run that exists is left as it is', async () => {
    await make(['db-a']);
    expect(await make()).toEqual({ created: false, items: 0, missing: 0 });
    expect(await runCounts(cold, RUN)).toMatchObject({ total: 1, waiting: 1 });
    await runEnd(cold, RUN, 'done');
    expect(await runFind(cold, RUN)).toEqual({
      run: RUN,
      verb: 'fleetMigration',
      spec: { sum: 'x' },
      outcome: 'done',
      ended: true,
    });
    expect(await runFind(cold, 'never')).toBeUndefined();
  });

  test('claims go in pages by id, and many at once never get the same item', async () => {
    await make([]);
    await ask(
      cold,
      `insert into run_item (run_id, item_id) select $1, 'db-' || n from generate_series(1, 200) n`,
      [RUN],
    );
    const claimers = Array.from({ length: 40 }, (_, n) => runItemClaim(cold, RUN, `c${n}`, 5));
    const items = (await Promise.all(claimers)).flat();
    expect(new Set(items.map((row) => row.item)).size).toBe(items.length);
    expect(items.every((row) => row.attempt === 1)).toBe(true);
  });

  test('a claimer that asks again gets its own first, as a new attempt, up to its limit', async () => {
    await make();
    await runItemClaim(cold, RUN, 'one', 2);
    expect(await runItemClaim(cold, RUN, 'one', 3)).toEqual([
      { item: 'db-a', attempt: 2 },
      { item: 'db-b', attempt: 2 },
      { item: 'db-c', attempt: 1 },
    ]);
    expect(await runItemClaim(cold, RUN, 'one', 3)).toHaveLength(3);
  });

  test('only the newest attempt says what became of an item', async () => {
    await make(['db-a']);
    const item = { run: RUN, item: 'db-a' };
    await runItemClaim(cold, RUN, 'one', 1);
    await runItemClaim(cold, RUN, 'one', 1);
    expect(await runItemEnd(cold, { ...item, attempt: 1, state: 'done' })).toBe(false);
    expect(await runItemDefer(cold, { ...item, attempt: 1, error: 'held', afterMs: 1 })).toBe(
      false,
    );
    expect(
      await runItemEnd(cold, { ...item, attempt: 2, state: 'done', result: { applied: 1 } }),
    ).toBe(true);
    expect(await runItemEnd(cold, { ...item, attempt: 2, state: 'failed' })).toBe(false);
    const [done] = await runItemList(cold, RUN, 'done', '', 10);
    expect(done).toMatchObject({ attempt: 2, error: null, result: { applied: 1 } });
  });

  test('a deferred item waits until it is due', async () => {
    await make(['db-a']);
    await runItemClaim(cold, RUN, 'one', 1);
    const later = { run: RUN, item: 'db-a', attempt: 1, error: 'held' };
    expect(await runItemDefer(cold, { ...later, afterMs: 60_000 })).toBe(true);
    expect(await runItemClaim(cold, RUN, 'one', 1)).toEqual([]);
    const counts = await runCounts(cold, RUN);
    expect(counts.waiting).toBe(1);
    expect(counts.due_in_ms).toBeGreaterThan(50_000);
    await ask(cold, `update run_item set not_before = now()`);
    expect(await runItemClaim(cold, RUN, 'one', 1)).toEqual([{ item: 'db-a', attempt: 2 }]);
  });

  test('what failed is claimed again after retryFailed, and what was abandoned likewise', async () => {
    await make(['db-a', 'db-b']);
    await runItemClaim(cold, RUN, 'one', 2);
    const failed = {
      run: RUN,
      item: 'db-a',
      attempt: 1,
      state: 'failed',
      error: 'internal',
    } as const;
    await runItemEnd(cold, { ...failed, detail: 'x'.repeat(400) });
    expect(await runCounts(cold, RUN)).toMatchObject({ failed: 1, working: 1, due_in_ms: 0 });
    const [row] = await runItemList(cold, RUN, 'failed', '', 10);
    expect(row?.detail).toHaveLength(300);
    expect(await runItemRetryFailed(cold, RUN)).toBe(1);
    expect(await runItemAbandoned(cold, RUN)).toBe(1);
    expect(await runItemClaim(cold, RUN, 'two', 5)).toHaveLength(2);
  });
});
