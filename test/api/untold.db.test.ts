/**
 * What was made while the index was away, and the index is back but has not been told of it yet.
 * Hosts are simulated (host/sim.ts).
 */
import { beforeEach, expect, test } from '@jest/globals';
import type { Context, Route } from '../../api/context.ts';
import { createMetrics } from '../../api/metrics.ts';
import { patchDatabase } from '../../api/routes/change-identity.ts';
import { getDatabase } from '../../api/routes/get-database.ts';
import { getAccess, getRoute } from '../../api/routes/proxy.ts';
import { createStarter } from '../../api/start.ts';
import { suspendDatabase } from '../../api/suspend.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { oneDatabase, type One } from '../support/one-database.ts';
import { run } from '../support/rows.ts';

const NOBODYS = 'db-zzzzzzzzzzzzzzzzzzzz';

const given = oneDatabase();
let one: One;
let context: Context;

beforeEach(async () => {
  one = given();
  const { parts } = one.fleet;
  const starter = createStarter({ ...parts, patienceMs: 20_000 });
  const metrics = createMetrics({ fleet: parts.fleet, starter });
  const adopter = { isOwed: () => false, owe: () => undefined };
  context = { ...parts, starter, metrics, adopter } as unknown as Context;
  await suspendDatabase(parts, one.id, { epoch: 1 }, '');
  for (const table of ['assignment', 'database']) await run(one.hot, `delete from ${table}`);
});

const caller = { name: '', scopes: [], sha256: [] };
const call = async ({ handle }: Route, id: string, more: object = {}): Promise<unknown> => {
  const none = { body: undefined, query: undefined, requestId: '', idempotencyKey: undefined };
  return (await handle(context, { ...none, caller, params: { id }, ...more })).body;
};

const start = (database: string) =>
  context.starter.start({ database, request: {}, requestId: '', force: false });

test('it is read, routed and let in to by the volume', async () => {
  const query = { awake: true };
  expect(await call(getDatabase, one.id, { query })).toMatchObject({
    ...{ id: one.id, tenant: 'a', state: 'suspended', stale: true },
  });
  expect(await call(getRoute, one.id)).toMatchObject({ state: 'suspended', stale: true });
  expect(await call(getAccess, one.id)).toHaveProperty('roles.owner');
});

test('it is changed, and the answer says so', async () => {
  const labels = { team: 'blue' };
  expect(await call(patchDatabase, one.id, { body: { labels } })).toMatchObject({ labels });
  expect(await one.host.verbs.readIdentity(one.id)).toMatchObject({ labels, version: 2 });
});

test('it starts, as the next epoch of the volume', async () => {
  expect(await start(one.id)).toMatchObject({ state: 'running', epoch: 2 });
  expect(one.fleet.parts.fleet.running(one.id)).toMatchObject({ host: 'host-1', epoch: 2 });
});

test('what nobody has made is not found', async () => {
  const query = { awake: true };
  const code = 'database_not_found';
  await expect(call(getDatabase, NOBODYS, { query })).rejects.toMatchObject({ code });
  for (const verb of [getRoute, getAccess])
    await expect(call(verb, NOBODYS)).rejects.toMatchObject({ code });
  await expect(call(patchDatabase, NOBODYS, { body: {} })).rejects.toMatchObject({ code });
  await expect(start(NOBODYS)).rejects.toMatchObject({ code });
  expect(await databaseFind(one.hot, NOBODYS)).toBeUndefined();
});
