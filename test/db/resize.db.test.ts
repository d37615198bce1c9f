/** A change of the size: it holds from the next slot on, and the slot of now stays what it is. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseStartAgain } from '../../db/hot/database-start-again.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { databaseSuspend, databaseSuspended } from '../../db/hot/database-suspend.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  DIRECTORY,
  databaseId,
  givenDatabase,
  identityOf,
  openTestHot,
  reportOf,
  runningSlot,
  startOf,
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

const resize = (id: string, size: 'small' | 'medium', version: number) =>
  databaseIdentity(hot, { ...identityOf(id), directory: DIRECTORY, size, version });

it('is of the next claim, while what goes on in the slot of now is of its size', async () => {
  const id = databaseId(1);
  const capacity = { small: 4, medium: 4 };
  await givenDatabase(hot, { id, state: 'running', epoch: 1, slot: 1 });
  await hostSync(hot, { ...reportOf(6, [runningSlot(id, 1, 1)]), capacity });
  await resize(id, 'medium', 2);
  expect(await databaseFind(hot, id)).toMatchObject({ size: 'medium', assigned_size: 'small' });
  // Its address is dead: the same slot takes the next epoch.
  expect(await databaseStartAgain(hot, id, 1, 30_000)).toMatchObject({
    epoch: 2,
    size: 'small',
    slot: 1,
  });
  await hostSync(hot, { ...reportOf(7, [runningSlot(id, 2, 1)]), capacity });
  await databaseSuspend(hot, id, 2, 30_000);
  await databaseSuspended(hot, id, 2, { boot: 1, version: 8 });
  expect(await databaseStart(hot, startOf(id))).toMatchObject({ epoch: 3, size: 'medium' });
  expect(await databaseFind(hot, id)).toMatchObject({ assigned_size: 'medium' });
});

it('that is older than what is known changes nothing', async () => {
  const id = databaseId(2);
  await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: 1 });
  await resize(id, 'medium', 3);
  await resize(id, 'small', 2);
  expect(await databaseFind(hot, id)).toMatchObject({ size: 'medium', identity_version: 3 });
});
