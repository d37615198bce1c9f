/** What the index counts for a tenant, exactly and whoever writes. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { databaseCreate, databaseCreateUndo } from '../../db/hot/database-create.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { tenantFind } from '../../db/hot/tenant-find.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  DIRECTORY,
  HOST,
  databaseId,
  givenDatabase,
  identityOf,
  openTestHot,
  reportOf,
  run,
  runningSlot,
  startOf,
} from '../support/rows.ts';

let database: TestDatabase;
let hot: Hot;
let version = 100;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 8);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'tenant', 'slot_vacant', 'slot_warm'])
    await run(hot, `delete from ${table}`);
  await hostSync(hot, reportOf(version++, [], 40));
});

const create = (n: number, most: number) =>
  databaseCreate(hot, identityOf(databaseId(n)), [HOST], 30_000, most);
const counted = async () =>
  (await run<{ databases: number }>(hot, 'select databases from tenant'))[0]?.databases;
const tombstone = (n: number, at: number, deleted_at: string | null) =>
  databaseIdentity(hot, {
    ...identityOf(databaseId(n)),
    directory: DIRECTORY,
    version: at,
    deleted_at,
  });

describe("a tenant's databases", () => {
  it('are never more than it may have, however many are created at once', async () => {
    await create(0, 5);
    const claims = await Promise.all(Array.from({ length: 12 }, (_, n) => create(n + 1, 5)));
    expect(claims.filter(({ host }) => host === HOST)).toHaveLength(4);
    expect(claims.filter(({ allowed }) => !allowed)).toHaveLength(8);
    expect(await counted()).toBe(5);
    expect(await run(hot, 'select from slot_vacant')).toHaveLength(35);
  });

  it('are none where none are allowed, and the first needs no row of the tenant', async () => {
    expect(await create(1, 0)).toMatchObject({ allowed: false, host: null });
    expect(await create(1, 1)).toMatchObject({ allowed: true, host: HOST });
  });

  it('count until they are deleted, and again when that is taken back', async () => {
    await create(1, 9);
    await create(2, 9);
    await tombstone(1, 2, '2026-11-23T00:00:00.000Z');
    expect(await counted()).toBe(1);
    await tombstone(1, 3, null);
    expect(await counted()).toBe(2);
    await databaseCreateUndo(hot, databaseId(2));
    expect(await counted()).toBe(1);
    await tombstone(1, 4, '2026-11-23T00:00:00.000Z');
    await run(hot, 'delete from database');
    expect(await counted()).toBe(0);
  });
});

describe('what a tenant has awake', () => {
  it('is counted for one start, for many at once, for a create and for what a report brings', async () => {
    for (const n of [1, 2, 3, 4])
      await givenDatabase(hot, { id: databaseId(n), state: 'suspended', epoch: 1, slot: 1 });
    await hot.quick(
      { name: '', text: `select database_start($1, '{${HOST}}', '{}', 1, false, null)` },
      [databaseId(1)],
    );
    await Promise.all([2, 3].map((n) => databaseStart(hot, startOf(databaseId(n)))));
    await create(5, 9);
    const report = reportOf(version++, [runningSlot(databaseId(4), 1, 39)], 40);
    await hostSync(hot, { ...report, version: version++ });
    expect(await tenantFind(hot, databaseId(1), null, 100)).toMatchObject({ running: 5 });
    expect(await tenantFind(hot, null, 'tenant', 3)).toMatchObject({ name: 'tenant', running: 3 });
  });

  it('is found by a database or by its name, and nothing is found for neither', async () => {
    await create(1, 9);
    await run(hot, `update tenant set limits = '{"running": 7}'`);
    const found = { name: 'tenant', limits: { running: 7 }, running: 1 };
    expect(await tenantFind(hot, databaseId(1), null, 1)).toEqual(found);
    expect(await tenantFind(hot, databaseId(9), null, 1)).toBeUndefined();
    expect(await tenantFind(hot, null, 'other', 1)).toBeUndefined();
  });
});
