/** The door between the planes: what role `pilotlight_cold` may call in hot Postgres, and what not. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openHotFunctions, type HotFunctions } from '../../../db/cold/hot-functions.ts';
import type { Hot } from '../../../db/hot/hot.ts';
import { openHot } from '../../../db/hot/pool.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let admin: Hot;
let hot: HotFunctions;

const onIdleError = (): void => undefined;
const as = (role: string) => openHot({ url: urlAs(database, role), size: 1, onIdleError });

beforeAll(async () => {
  database = await createTestDatabase();
  admin = openHot({ url: database.url, size: 1, onIdleError });
  const url = urlAs(database, 'pilotlight_cold');
  hot = openHotFunctions({ url, size: 1, name: 'test', onIdleError });
});
afterAll(async () => {
  await Promise.all([admin.close(), hot.close()]);
  await database.drop();
});

const sql = (text: string) => admin.durable<Record<string, unknown>>({ name: '', text }, []);

test('the role of the cold plane may call the functions and read no table', async () => {
  const asCold = as('pilotlight_cold');
  for (const table of ['event', 'database', 'host', 'slot_warm', 'generation'])
    await expect(asCold.durable({ name: '', text: `select * from ${table}` }, [])).rejects.toThrow(
      /permission denied/,
    );
  await asCold.close();
  const asApi = as('pilotlight_api');
  await expect(
    asApi.durable({ name: '', text: 'select cold_events_taken(array[1]::bigint[])' }, []),
  ).rejects.toThrow(/permission denied/);
  await asApi.close();
});

test('the pool is counted per host and size', async () => {
  await sql(`insert into host (host_id, url, boot, version) values
    ('host-1', 'http://one', 1, 1), ('host-2', 'http://two', 1, 1)`);
  await sql(`insert into slot_vacant (size, host_id, slot) values
    ('small', 'host-1', 1), ('small', 'host-1', 2), ('medium', 'host-1', 1)`);
  await sql(
    `insert into slot_warm (size, host_id, slot, directory) values ('small', 'host-1', 3, 'd')`,
  );
  const none = { cordoned: false, vacant: 0, warm: 0, assigned: 0 };
  const one = { ...none, host_id: 'host-1', url: 'http://one' };
  expect(await hot.pool()).toEqual([
    { ...one, size: 'medium', vacant: 1 },
    { ...one, size: 'small', vacant: 2, warm: 1 },
    { ...none, host_id: 'host-2', url: 'http://two', size: null },
  ]);
});
