/** Rows for databases that the index does not know, out of their identity documents. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { databaseAdopt, databaseMissing } from '../../db/hot/database-adopt.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { Identity } from '../../model/identity.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  DIRECTORY,
  HOST,
  databaseId,
  identityOf,
  openTestHot,
  reportOf,
  run,
  runningSlot,
} from '../support/rows.ts';

let database: TestDatabase;
let hot: Hot;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});

const documentOf = (n: number, more: Partial<Identity> = {}): Identity => ({
  ...identityOf(databaseId(n)),
  directory: DIRECTORY,
  version: 3,
  ...more,
});

const createdEvents = async (id: string): Promise<number> =>
  (
    await run<{ n: number }>(
      hot,
      `select count(*) as n from event where kind = 'database_created' and database_id = $1`,
      [id],
    )
  )[0]?.n ?? -1;

describe('a database that the index does not know', () => {
  it('gets its row from its document, and runs as the next report of its host says', async () => {
    const document = documentOf(1, { size: 'medium', tenant: 'born-meanwhile' });
    const { id } = document;
    expect(await databaseMissing(hot, [id])).toEqual([id]);
    await databaseAdopt(hot, document, HOST);
    expect(await databaseMissing(hot, [id])).toEqual([]);
    expect(await databaseFind(hot, id)).toMatchObject({
      tenant: 'born-meanwhile',
      size: 'medium',
      state: 'suspended',
      directory: DIRECTORY,
      identity_version: 3,
    });
    await hostSync(hot, reportOf(1, [runningSlot(id, 4, 1)]));
    expect(await databaseFind(hot, id)).toMatchObject({ state: 'running', epoch: 4, host: HOST });
  });

  it('that has been deleted is deleted here as well', async () => {
    const document = documentOf(2, { deleted_at: '2026-11-24T00:00:00.000Z' });
    await databaseAdopt(hot, document, HOST);
    expect(await databaseFind(hot, document.id)).toMatchObject({ state: 'deleting' });
    const events = await run<{ kind: string }>(
      hot,
      'select kind from event where database_id = $1 order by id',
      [document.id],
    );
    expect(events.map(({ kind }) => kind)).toEqual(['database_created', 'database_deleted']);
  });

  it('is told of once, and what is known already is left as it is', async () => {
    const document = documentOf(3);
    for (let times = 0; times < 3; times++) await databaseAdopt(hot, document, HOST);
    expect(await createdEvents(document.id)).toBe(1);
    await databaseIdentity(hot, { ...document, version: 5, idle_ms: 7 });
    await databaseAdopt(hot, { ...document, version: 4, idle_ms: 8 }, HOST);
    await databaseIdentity(hot, { ...document, version: 4, idle_ms: 8 });
    const row = await databaseFind(hot, document.id);
    expect(row).toMatchObject({ identity_version: 5, identity: { idle_ms: 7 } });
  });
});
