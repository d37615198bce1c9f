/** A page of the volumes' documents, taken into an index that lacks some or all of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { databaseFind } from '../../db/hot/database-find.ts';
import { generationFind } from '../../db/hot/generation-find.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { openHot } from '../../db/hot/pool.ts';
import {
  generationRenew,
  rebuildIsEmpty,
  rebuildLook,
  rebuildOpen,
  rebuildShut,
} from '../../db/hot/rebuild-gate.ts';
import {
  rebuildBehind,
  rebuildPage,
  rebuildStrangers,
  type RebuildItem,
} from '../../db/hot/rebuild-page.ts';
import type { Identity } from '../../model/identity.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/database.ts';
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
} from '../support/rows.ts';

const DELETED = '2026-11-24T00:00:00.000Z';
const [a, b, c] = [databaseId(1), databaseId(2), databaseId(3)];

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
beforeEach(async () => {
  const tables = ['assignment', 'database', 'tenant', 'slot_vacant', 'host', 'resync', 'event'];
  for (const table of tables) await run(hot, `delete from ${table}`);
});

const itemOf = (
  id: string,
  document: Partial<Identity> = {},
  item: Partial<RebuildItem> = {},
): RebuildItem => ({
  doc: { ...identityOf(id), directory: DIRECTORY, version: 3, ...document },
  ...{ limits: {}, host: HOST, epoch: 4, released: true, purged: false },
  ...item,
});

const events = async (): Promise<string[]> => {
  const text = `select kind || ' ' || database_id as said from event order by id`;
  return (await run<{ said: string }>(hot, text)).map(({ said }) => said);
};
const resyncs = async (): Promise<string[]> =>
  (await run<{ host_id: string }>(hot, 'select distinct host_id from resync order by 1')).map(
    (row) => row.host_id,
  );
const tenant = async (name = 'tenant'): Promise<object | undefined> =>
  (await run<object>(hot, 'select limits, databases from tenant where name = $1', [name]))[0];
/** Everything that a second run could change. */
const all = async (): Promise<unknown> =>
  Promise.all(
    ['database', 'assignment', 'tenant', 'event'].map((table) =>
      run(hot, `select t.* from ${table} t order by 1`),
    ),
  );

describe('an index that is empty', () => {
  const page = [
    itemOf(a),
    itemOf(b, { deleted_at: DELETED }),
    itemOf(c, { deleted_at: DELETED }, { purged: true }),
  ];

  it('has a row for each document, with the epoch that was minted last and the tombstone', async () => {
    expect(await rebuildIsEmpty(hot)).toBe(true);
    expect(await rebuildBehind(hot, page)).toEqual([a, b, c]);
    expect(await rebuildPage(hot, page)).toEqual({ made: 3, newer: 0, raised: 0 });
    expect(await databaseFind(hot, a)).toMatchObject({
      ...{ state: 'suspended', epoch: 4, directory: DIRECTORY, last_host: HOST },
      ...{ identity_version: 3, deleted_at: null, tenant: 'tenant' },
    });
    expect(await databaseFind(hot, b)).toMatchObject({ state: 'deleting', epoch: 4 });
    expect(await tenant()).toEqual({ limits: {}, databases: 1 });
    expect(await rebuildIsEmpty(hot)).toBe(false);
  });

  it('tells the cold plane of all but what has been purged', async () => {
    await rebuildPage(hot, page);
    expect(await events()).toEqual([
      `database_created ${a}`,
      `database_created ${b}`,
      `database_deleted ${b}`,
    ]);
  });

  it('is changed by the first time only', async () => {
    await rebuildPage(hot, page);
    const before = await all();
    expect(await rebuildBehind(hot, page)).toEqual([]);
    expect(await rebuildPage(hot, page)).toEqual({ made: 0, newer: 0, raised: 0 });
    expect(await all()).toEqual(before);
  });

  it('says what runs once its host is heard', async () => {
    await rebuildPage(hot, [itemOf(a, {}, { released: false })]);
    await hostSync(hot, reportOf(1, [runningSlot(a, 4, 1)]));
    expect(await databaseFind(hot, a)).toMatchObject({ state: 'running', epoch: 4, host: HOST });
  });
});

describe('an index that is older than the volume', () => {
  it('takes the greater version, in either direction, and the tombstone with it', async () => {
    for (const id of [a, b])
      await givenDatabase(hot, { id, state: 'suspended', epoch: 4, slot: 1 });
    await run(hot, 'update database set identity_version = 9 where id = $1', [b]);
    const page = [itemOf(a, { deleted_at: DELETED }), itemOf(b, { deleted_at: DELETED })];
    expect(await rebuildBehind(hot, page)).toEqual([a]);
    expect(await rebuildPage(hot, page)).toEqual({ made: 0, newer: 1, raised: 0 });
    expect(await databaseFind(hot, a)).toMatchObject({ state: 'deleting', identity_version: 3 });
    expect(await databaseFind(hot, b)).toMatchObject({ state: 'suspended', identity_version: 9 });
    expect(await events()).toEqual([`database_deleted ${a}`]);
  });

  it.each(['suspended', 'broken', 'deleting', 'running', 'suspending'] as const)(
    'goes to the epoch that the volume has minted, from %s',
    async (state) => {
      await givenDatabase(hot, { id: a, state, epoch: 3, slot: 1 });
      const page = [itemOf(a, { version: 1 }, { host: 'host-9' })];
      expect(await rebuildBehind(hot, page)).toEqual([a]);
      expect(await rebuildPage(hot, page)).toEqual({ made: 0, newer: 0, raised: 1 });
      const isOver = state === 'running' || state === 'suspending';
      const row = { state: isOver ? 'suspended' : state, epoch: 4, host: null };
      expect(await databaseFind(hot, a)).toMatchObject(row);
      expect(await resyncs()).toEqual(isOver ? [HOST, 'host-9'] : ['host-9']);
      expect(await rebuildPage(hot, page)).toEqual({ made: 0, newer: 0, raised: 0 });
    },
  );

  it('leaves a start that is under way to its agent, and takes one back that is none', async () => {
    await givenDatabase(hot, { id: a, state: 'starting', epoch: 3, slot: 1 });
    const page = [itemOf(a, { version: 1 })];
    expect(await rebuildPage(hot, page)).toMatchObject({ raised: 0 });
    expect(await databaseFind(hot, a)).toMatchObject({ state: 'starting', epoch: 3 });
    await run(hot, `update assignment set deadline = now() - interval '1 second'`);
    expect(await rebuildPage(hot, page)).toMatchObject({ raised: 1 });
    expect(await databaseFind(hot, a)).toMatchObject({ state: 'suspended', epoch: 4, host: null });
  });

  it('takes no run for running that the volume says is over, and no other', async () => {
    for (const [id, slot] of [
      [a, 1],
      [b, 2],
      [c, 3],
    ] as const)
      await givenDatabase(hot, { id, state: 'running', epoch: id === c ? 5 : 4, slot });
    const page = [
      itemOf(a, { version: 1 }),
      itemOf(b, { version: 1 }, { released: false }),
      itemOf(c, { version: 1 }),
    ];
    expect(await rebuildBehind(hot, page)).toEqual([]);
    expect(await rebuildPage(hot, page)).toEqual({ made: 0, newer: 0, raised: 0 });
    expect(await databaseFind(hot, a)).toMatchObject({ state: 'suspended', host: null });
    expect(await databaseFind(hot, b)).toMatchObject({ state: 'running', epoch: 4, host: HOST });
    expect(await databaseFind(hot, c)).toMatchObject({ state: 'running', epoch: 5, host: HOST });
  });
});

describe('the limits of a tenant', () => {
  const at = (id: string, day: number, running: number): RebuildItem =>
    itemOf(id, { created_at: `2026-11-0${day}T00:00:00.000Z` }, { limits: { running } });

  it('are those of its newest document, in whatever order the documents come', async () => {
    await rebuildPage(hot, [at(a, 2, 20)]);
    await rebuildPage(hot, [at(b, 1, 10)]);
    expect(await tenant()).toMatchObject({ limits: { running: 20 } });
    await rebuildPage(hot, [at(c, 3, 30)]);
    expect(await tenant()).toMatchObject({ limits: { running: 30 } });
  });

  it('are found as well where a report was faster and made the row, and kept where they are known', async () => {
    await rebuildPage(hot, [at(a, 2, 20)]);
    await run(hot, `update tenant set limits = '{}'`);
    await rebuildPage(hot, [at(a, 2, 20)]);
    expect(await tenant()).toMatchObject({ limits: { running: 20 } });
    await run(hot, `update tenant set limits = '{"running": 7}'`);
    await rebuildPage(hot, [at(a, 2, 20)]);
    expect(await tenant()).toMatchObject({ limits: { running: 7 } });
  });
});

describe('a row without a document', () => {
  it('is found within its range, with whether it was ever made', async () => {
    for (const id of [a, b, c])
      await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: 1 });
    await run(hot, 'update database set directory = null where id = $1', [b]);
    expect(await rebuildStrangers(hot, '', null, [a])).toEqual([
      { id: b, made: false },
      { id: c, made: true },
    ]);
    expect(await rebuildStrangers(hot, a, b, [])).toEqual([{ id: b, made: false }]);
    await run(hot, `update database set state = 'starting' where id = $1`, [b]);
    expect(await rebuildStrangers(hot, a, b, [])).toEqual([]);
  });
});

it('an index of another generation is another one to those who ship events to it', async () => {
  const before = await generationFind(hot);
  await generationRenew(hot);
  const after = await generationFind(hot);
  expect(after).not.toBe(before);
  await run(hot, 'delete from generation');
  await generationRenew(hot);
  expect(await generationFind(hot)).not.toBe(after);
});

it('an index that is shut is away to the apis, whoever was in, until it is opened', async () => {
  const options = { size: 1, onIdleError: () => undefined };
  const api = openHot({ url: urlAs(database, 'pilotlight_api'), ...options });
  try {
    expect(await rebuildLook(hot)).toEqual({ schema: true, open: true });
    const known = await generationFind(api);
    await rebuildShut(hot);
    expect(await rebuildLook(hot)).toEqual({ schema: true, open: false });
    for (let times = 0; times < 2; times++)
      await expect(generationFind(api)).rejects.toMatchObject({ code: 'unavailable' });
    await rebuildOpen(hot);
    expect(await generationFind(api)).toBe(known);
  } finally {
    await rebuildOpen(hot);
    await api.close();
  }
});
