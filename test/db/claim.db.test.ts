/** The claim and its traps (the start of a sleeping database, and the create of a new one). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { databaseCreate, databaseCreateUndo } from '../../db/hot/database-create.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import { isDuplicateOf } from '../../db/hot/pool.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { SlotReport } from '../../model/wire.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  HOST,
  databaseId,
  givenDatabase,
  identityOf,
  openTestHot,
  reportOf,
  run,
  slotsInTwoPlaces,
  startOf,
  stateOf,
} from '../support/rows.ts';

let database: TestDatabase;
let hot: Hot;
let version = 1;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 8);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'slot_vacant', 'slot_warm', 'event', 'resync'])
    await run(hot, `delete from ${table}`);
});

const count = async (table: string): Promise<number> =>
  (await run<{ n: number }>(hot, `select count(*) as n from ${table}`))[0]?.n ?? 0;

const warmSlot = (slot: number): SlotReport => ({
  size: 'small',
  slot,
  state: 'warm',
  directory: `warm${'a'.repeat(12)}`,
  epoch: 1,
  address: { socket: '/run/w', port: 5432 },
});

const sync = (slots: readonly SlotReport[], capacity = 8, host = HOST): Promise<boolean> =>
  hostSync(hot, reportOf(version++, slots, capacity, host));

const start = (id: string, hosts: readonly string[] = [HOST]) =>
  databaseStart(hot, startOf(id, { hosts }));

describe('a start', () => {
  it('claims one slot however many ask for the same database', async () => {
    await sync([]);
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });
    const claims = await Promise.all(Array.from({ length: 20 }, () => start(id)));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
    expect(await count('slot_vacant')).toBe(7);
    expect(await count('assignment')).toBe(1);
  });

  // Of those that force nothing several go together, by a statement of their own.
  it.each([false, true])('takes one slot, however many hosts have room (%s)', async (force) => {
    await sync([], 8, 'host-2');
    await sync([]);
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });
    await databaseStart(hot, startOf(id, { hosts: [HOST, 'host-2'], force }));
    expect(await count('slot_vacant')).toBe(15);
  });

  it('gives each of many databases a slot of its own', async () => {
    await sync([], 40);
    const ids = Array.from({ length: 40 }, (_, n) => databaseId(n));
    for (const id of ids) await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: 1 });
    // SKIP LOCKED may step over the last ones for a moment; who got none asks again.
    const claimOnce = async (id: string): Promise<void> => {
      const claim = await start(id);
      if (claim?.host === null) await claimOnce(id);
    };
    await Promise.all(ids.map(claimOnce));
    expect(await count('slot_vacant')).toBe(0);
    expect(await count('assignment')).toBe(40);
    expect(await slotsInTwoPlaces(hot)).toBe(0);
  });

  it('prefers the host that ran it last', async () => {
    await sync([], 8, 'host-2');
    await sync([], 8, HOST);
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });
    expect(await start(id, ['host-2', HOST])).toMatchObject({ host: HOST });
  });

  it('without room changes nothing', async () => {
    await sync([], 8, 'host-2');
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });
    expect(await start(id, [HOST])).toMatchObject({ epoch: null, host: null });
    expect(await stateOf(hot, id)).toEqual({ state: 'suspended', epoch: 3 });
    expect(await count('slot_vacant')).toBe(8);
  });

  it('takes the room of a warm slot when no vacant one is left', async () => {
    await sync([warmSlot(1)], 1);
    const id = databaseId(1);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });
    expect(await start(id)).toMatchObject({ host: HOST, slot: 1, evicts: true });
    expect(await count('slot_warm')).toBe(0);
  });

  it('takes no slot of an unknown database', async () => {
    await sync([]);
    expect(await start(databaseId(9))).toBeUndefined();
    expect(await count('slot_vacant')).toBe(8);
  });
});

describe('a create', () => {
  const create = (n: number) => databaseCreate(hot, identityOf(databaseId(n)), [HOST], 30_000, 10);

  it('takes a warm slot first, then a vacant one for a clone, then refuses and writes nothing', async () => {
    await sync([warmSlot(2)], 2);
    expect(await create(1)).toMatchObject({ host: HOST, slot: 2, source: 'warm' });
    expect(await create(2)).toMatchObject({ host: HOST, slot: 1, source: 'clone' });
    expect(await create(3)).toMatchObject({ allowed: true, host: null });
    expect(await count('database')).toBe(2);
    expect(await count('event')).toBe(2);
  });

  it('of an id that exists takes no slot', async () => {
    await sync([]);
    await create(1);
    const error: unknown = await create(1).catch((thrown: unknown) => thrown);
    expect(isDuplicateOf(error, 'database_pkey', 'assignment_pkey')).toBe(true);
    expect(await count('slot_vacant')).toBe(7);
  });

  it('that came to nothing leaves no row, and its slot comes back with the next sync', async () => {
    await sync([]);
    const taken = version - 1;
    await create(1);
    await databaseCreateUndo(hot, databaseId(1));
    expect(await count('database')).toBe(0);
    expect(await count('slot_vacant')).toBe(7);
    // Nothing changed at the host, so the version is the one that was taken before.
    expect(await hostSync(hot, reportOf(taken, []))).toBe(true);
    expect(await count('slot_vacant')).toBe(8);
    expect(await hostSync(hot, reportOf(taken, []))).toBe(false);
  });
});
