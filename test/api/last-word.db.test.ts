/**
 * What the index missed because an api died over it: the next who asks, or the next report, mends it.
 * Hosts are simulated (host/sim.ts).
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Context } from '../../api/context.ts';
import { createDatabase } from '../../api/create.ts';
import { deleteDatabase } from '../../api/identity.ts';
import { postUndelete } from '../../api/routes/post-identity.ts';
import { createStarter } from '../../api/start.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot, run } from '../support/rows.ts';
import { createSimFleet, type SimFleet } from '../support/sim-fleet.ts';

const SPEC = {
  ...({ size: 'small', idle_ms: 1_000, idle_sessions: 'close', tls: 'optional' } as const),
  ...{ tenant: 'a', ignore: [], allow: [], labels: {} },
};

let database: TestDatabase;
let hot: Hot;
let fleet: SimFleet;
let id: string;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 4);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['assignment', 'database', 'tenant', 'host', 'slot_vacant', 'slot_warm'])
    await run(hot, `delete from ${table}`);
  fleet = createSimFleet(hot, { small: 2 }, ['host-1']);
  await fleet.sync();
  const context = { ...fleet.parts, fleetSecret: 's', proxyAddress: 'p' } as unknown as Context;
  ({ id } = await createDatabase(context, { spec: SPEC, key: undefined, requestId: '' }));
});

const host = () => {
  const found = fleet.hosts.get('host-1');
  if (found === undefined) throw new Error('BUG: no host');
  return found;
};
const start = () =>
  createStarter({ ...fleet.parts, patienceMs: 20_000 }).start({
    ...{ database: id, request: {}, requestId: '', force: false },
  });
const state = async () => (await databaseFind(hot, id))?.state;

/** As an api does that dies before it has told the index. */
async function tombstone(): Promise<void> {
  const document = await host().verbs.readIdentity(id);
  if (document === undefined) throw new Error('BUG: no document');
  const deleted_at = new Date().toISOString();
  await host().verbs.replaceIdentity(id, document.version, { ...document, deleted_at });
}

async function suspendAtHost(): Promise<void> {
  await host().verbs.suspend({ database: id, epoch: 1, if_idle: false });
  await fleet.sync();
}

test('a tombstone that the index has not heard of refuses the start, and is heard of', async () => {
  await suspendAtHost();
  await tombstone();
  expect(await state()).toBe('suspended');
  await expect(start()).rejects.toMatchObject({ code: 'database_deleted' });
  expect(await state()).toBe('deleting');
});

test('a second delete tells the index what the first has not', async () => {
  await suspendAtHost();
  await tombstone();
  const context = fleet.parts as unknown as Context;
  await expect(deleteDatabase(context, id, '')).rejects.toMatchObject({ code: 'database_deleted' });
  expect(await state()).toBe('deleting');
});

test('an epoch that was raised and never minted is taken back by the report of who runs on', async () => {
  // Raised by a start that took the address for dead, whose deadline passed without an attach.
  await run(hot, `update database set state = 'suspended', epoch = 2`);
  await run(hot, 'delete from assignment');
  await run(hot, `insert into resync values ('host-1')`);
  await fleet.sync();
  expect(await databaseFind(hot, id)).toMatchObject({ state: 'running', epoch: 1, host: 'host-1' });
});

test('what a delete had not ended yet when it was taken back is known to run again', async () => {
  await tombstone();
  const document = await host().verbs.readIdentity(id);
  if (document === undefined) throw new Error('BUG: no document');
  await databaseIdentity(hot, document);
  // It runs on, and the index does not want to hear of it.
  await fleet.sync();
  expect(await state()).toBe('deleting');

  const context = fleet.parts as unknown as Context;
  const asked = { params: { id }, body: undefined, query: undefined, requestId: '' };
  const caller = { name: '', scopes: [], sha256: [] };
  await postUndelete.handle(context, { ...asked, caller, idempotencyKey: undefined });
  // Asked for by itself: where another host writes the document, this one's version does not rise.
  expect(await run(hot, 'select host_id from resync')).toEqual([{ host_id: 'host-1' }]);
  const report = host().report();
  if (report === undefined) throw new Error('BUG: no agent');
  expect(fleet.parts.fleet.hear(report, fleet.parts.now())).toBe(true);
  await fleet.sync();
  expect(await databaseFind(hot, id)).toMatchObject({ state: 'running', epoch: 1, host: 'host-1' });
});
