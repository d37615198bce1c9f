/** An instance that has not heard of a start yet answers by the index. Hosts are simulated (host/sim.ts). */
import { beforeEach, expect, test } from '@jest/globals';
import type { Context } from '../../api/context.ts';
import { getRoute } from '../../api/routes/proxy.ts';
import { suspendDatabase } from '../../api/suspend.ts';
import { createFleet } from '../../model/fleet.ts';
import { oneDatabase, type One } from '../support/one-database.ts';

const given = oneDatabase();
let one: One;
beforeEach(() => {
  one = given();
});

async function route(): Promise<unknown> {
  const context = { ...one.fleet.parts, fleet: createFleet(Math.random) } as Context;
  const params = { id: one.id };
  const none = { body: undefined, query: undefined, caller: { name: '', scopes: [], sha256: [] } };
  const input = { ...none, params, requestId: '', idempotencyKey: undefined };
  return (await getRoute.handle(context, input)).body;
}

test('what another instance has started is routed, and what it has ended is not', async () => {
  await one.fleet.parts.fleet.told(one.id);
  expect(await route()).toMatchObject({ state: 'running', epoch: 1, stale: false });
  expect(await route()).toHaveProperty('address.socket');
  await suspendDatabase(one.fleet.parts, one.id, { epoch: 1 }, '');
  expect(await route()).toEqual({ state: 'suspended', epoch: 1, stale: false });
});
