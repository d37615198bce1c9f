/** Which host a claim takes: the last one first, never a cordoned or silent one, a local volume's alone. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../db/client.ts';
import { openHotFunctions, type HotFunctions } from '../../db/cold/hot-functions.ts';
import { databaseCreate } from '../../db/hot/database-create.ts';
import { start } from '../../db/hot/database-start.ts';
import type { StartCall, StartClaim } from '../../db/hot/rows.ts';
import { databaseSuspended } from '../../db/hot/database-suspend.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { HostReport, SlotReport } from '../../model/wire.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/database.ts';
import {
  HOST,
  databaseId,
  givenDatabase,
  identityOf,
  openTestHot,
  reportOf,
  run,
  runningSlot,
  startOf,
  untilOneWaits,
} from '../support/rows.ts';

const OTHER = 'host-2';
const id = databaseId(1);

let database: TestDatabase;
let hot: Hot;
let cold: HotFunctions;
let version = 1;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 4);
  const url = urlAs(database, 'pilotlight_cold');
  cold = openHotFunctions({ url, size: 1, name: 'test', onIdleError: () => undefined });
});
afterAll(async () => {
  await cold.close();
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'slot_vacant', 'slot_warm', 'host', 'resync'])
    await run(hot, `delete from ${table}`);
});

const sync = (host: string, slots: readonly SlotReport[] = [], local = false) => {
  const report: HostReport = reportOf(version++, slots, 4, host);
  return hostSync(hot, local ? { ...report, volume: { ...report.volume, kind: 'local' } } : report);
};
const slots = async (table: 'slot_vacant' | 'slot_warm', host = HOST): Promise<number> => {
  const text = `select count(*) as n from ${table} where host_id = $1`;
  return (await run<{ n: number }>(hot, text, [host]))[0]?.n ?? -1;
};
const asleep = () => givenDatabase(hot, { id, state: 'suspended', epoch: 3, slot: 1 });

/** Both forms of the statement have to say the same. */
type Form = (call: StartCall) => Promise<StartClaim[]>;
const valuesOf = (call: StartCall) => Object.values(startOf(call.database, call));
const one: Form = (call) => hot.quick(start.one, valuesOf(call));
const many: Form = (call) => hot.quick(start.many, start.together?.([valuesOf(call)]) ?? []);

describe.each([
  ['one', one],
  ['many', many],
] as const)('a claim (%s)', (_, form) => {
  const hostOf = async (call: StartCall) => (await form(call))[0]?.host;

  it('prefers the host that ran it last', async () => {
    await sync(HOST);
    await sync(OTHER);
    await asleep();
    expect(await hostOf(startOf(id, { hosts: [OTHER] }))).toBe(HOST);
  });

  it('goes elsewhere while that one is silent', async () => {
    await sync(HOST);
    await sync(OTHER);
    await asleep();
    expect(await hostOf(startOf(id, { hosts: [OTHER], silent: [HOST] }))).toBe(OTHER);
  });

  it('never takes a cordoned host, though its slots were there', async () => {
    await sync(HOST);
    await sync(OTHER);
    await asleep();
    await run(hot, 'update host set cordoned = true where host_id = $1', [HOST]);
    await run(hot, 'update host set cordoned = true where host_id = $1', [OTHER]);
    expect((await hostOf(startOf(id, { hosts: [OTHER] }))) ?? null).toBeNull();
    await run(hot, 'update host set cordoned = false where host_id = $1', [OTHER]);
    expect(await hostOf(startOf(id, { hosts: [OTHER] }))).toBe(OTHER);
  });

  it('of a database on a local volume takes the host of the volume or none', async () => {
    await sync(HOST, [], true);
    await sync(OTHER);
    await asleep();
    const away = startOf(id, { hosts: [OTHER], silent: [HOST] });
    expect((await hostOf(away)) ?? null).toBeNull();
    expect(await hostOf(startOf(id, { hosts: [OTHER] }))).toBe(HOST);
  });
});

describe('a cordon', () => {
  const warm: SlotReport = {
    ...{ size: 'small', slot: 2, state: 'warm', directory: 'w'.repeat(16), epoch: 1 },
    address: { socket: '/run/w', port: 5432 },
  };

  it("takes a host's slots out of the index, and its reports bring none", async () => {
    await sync(HOST, [warm]);
    expect(await cold.cordon(HOST, true)).toBe(true);
    await sync(HOST, [warm]);
    expect([await slots('slot_vacant'), await slots('slot_warm')]).toEqual([0, 0]);
    expect(await databaseCreate(hot, identityOf(id), [HOST], 1, 9)).toMatchObject({ host: null });
  });

  it('keeps the slot of a database that is suspended there', async () => {
    await givenDatabase(hot, { id, state: 'running', epoch: 3, slot: 1 });
    await sync(HOST, [runningSlot(id, 3, 1)]);
    await cold.cordon(HOST, true);
    expect(await run(hot, 'select from assignment')).toHaveLength(1);
    await databaseSuspended(hot, id, 3, { boot: 1, version: 99 });
    expect(await run(hot, 'select from assignment')).toEqual([]);
    expect(await slots('slot_vacant')).toBe(0);
  });

  it('that is taken back brings the slots with the next report, though nothing changed there', async () => {
    await sync(HOST, [warm]);
    version -= 1;
    await cold.cordon(HOST, true);
    await cold.cordon(HOST, false);
    await sync(HOST, [warm]);
    expect([await slots('slot_vacant'), await slots('slot_warm')]).toEqual([3, 1]);
  });

  it('of an unknown host is refused', async () => {
    expect(await cold.cordon('host-9', true)).toBe(false);
  });

  it('holds for a claim that has begun before it and waited', async () => {
    await sync(HOST);
    await asleep();
    const other = await connect(database.url);
    await other.query('begin');
    await other.query('select from database for update');
    const claim = one(startOf(id));
    await untilOneWaits(hot);
    await cold.cordon(HOST, true);
    await other.query('commit');
    await other.end();
    expect(await claim).toMatchObject([{ host: null }]);
  });
});
