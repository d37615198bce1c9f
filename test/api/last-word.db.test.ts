/**
 * What the index missed because an api died over it: the next who asks, or the next report, mends it.
 * Hosts are simulated (host/sim.ts).
 */
import { beforeEach, expect, test } from '@jest/globals';
import type { Context } from '../../api/context.ts';
import { deleteDatabase } from '../../api/identity.ts';
import { createMetrics } from '../../api/metrics.ts';
import { postUndelete } from '../../api/routes/change-identity.ts';
import { createStarter } from '../../api/start.ts';
import { sweepOnce } from '../../api/sweep.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { oneDatabase, type One } from '../support/one-database.ts';
import { run } from '../support/rows.ts';

const given = oneDatabase();
let one: One;
let context: Context;

beforeEach(() => {
  one = given();
  const { parts } = one.fleet;
  const starter = createStarter({ ...parts, patienceMs: 20_000 });
  const metrics = createMetrics({ fleet: parts.fleet, starter });
  const adopter = { pay: () => Promise.resolve() };
  context = { ...parts, starter, metrics, adopter } as unknown as Context;
});

const start = () =>
  context.starter.start({
    ...{ database: one.id, request: {}, requestId: '', force: false },
  });

/** As an api does that dies before it has told the index. */
async function tombstone(): Promise<void> {
  const document = await one.host.verbs.readIdentity(one.id);
  if (document === undefined) throw new Error('BUG: no document');
  const deleted_at = new Date().toISOString();
  await one.host.verbs.replaceIdentity(one.id, document.version, { ...document, deleted_at });
}

async function suspendAtHost(): Promise<void> {
  await one.host.verbs.suspend({ database: one.id, epoch: 1, if_idle: false });
  await one.fleet.sync();
}

/** Nothing has changed there: only who was asked to hears the same report again. */
async function hearAgain(): Promise<void> {
  const { fleet, now } = one.fleet.parts;
  const report = one.host.report();
  if (report === undefined) throw new Error('BUG: no agent');
  expect(fleet.hear(report, now())).toBe(false);
  await sweepOnce(context, '');
  expect(fleet.hear(report, now())).toBe(true);
  await one.fleet.sync();
}

const RUNS = { state: 'running', epoch: 1, host: 'host-1' };

test('a tombstone that the index has not heard of refuses the start, and is heard of', async () => {
  await suspendAtHost();
  await tombstone();
  expect(await one.state()).toBe('suspended');
  await expect(start()).rejects.toMatchObject({ code: 'database_deleted' });
  expect(await one.state()).toBe('deleting');
});

test('a second delete tells the index what the first has not', async () => {
  await suspendAtHost();
  await tombstone();
  await expect(deleteDatabase(context, one.id, '')).rejects.toMatchObject({
    code: 'database_deleted',
  });
  expect(await one.state()).toBe('deleting');
});

test('an epoch that was raised for another host and never minted is taken back', async () => {
  // Its api died over the attach.
  await one.fleet.sync();
  await run(one.hot, `update database set state = 'starting', epoch = 2`);
  await run(
    one.hot,
    `update assignment set host_id = 'host-2', epoch = 2, boot = null, version = null,
            deadline = now() - interval '1 s'`,
  );
  await hearAgain();
  expect(await databaseFind(one.hot, one.id)).toMatchObject(RUNS);
});

test('what a delete had not ended yet when it was taken back is known to run again', async () => {
  await tombstone();
  const document = await one.host.verbs.readIdentity(one.id);
  if (document === undefined) throw new Error('BUG: no document');
  await databaseIdentity(one.hot, document);
  // It runs on, and the index does not want to hear of it.
  await one.fleet.sync();
  expect(await one.state()).toBe('deleting');

  const asked = { params: { id: one.id }, body: undefined, query: undefined, requestId: '' };
  const caller = { name: '', scopes: [], sha256: [] };
  await postUndelete.handle(context, { ...asked, caller, idempotencyKey: undefined });
  // Asked for by itself: where another host writes the document, this one's version does not rise.
  expect(await run(one.hot, 'select host_id from resync')).toEqual([{ host_id: 'host-1' }]);
  await sweepOnce(context, '');
  await one.fleet.sync();
  expect(await databaseFind(one.hot, one.id)).toMatchObject(RUNS);
});

test('a start hears of an undelete that the index has not heard of', async () => {
  await deleteDatabase(context, one.id, '');
  expect(await one.state()).toBe('deleting');
  await expect(start()).rejects.toMatchObject({ code: 'database_deleted' });
  const document = await one.host.verbs.readIdentity(one.id);
  if (document === undefined) throw new Error('BUG: no document');
  await one.host.verbs.replaceIdentity(one.id, document.version, {
    ...document,
    deleted_at: null,
  });
  expect(await start()).toMatchObject({ state: 'running', epoch: 2 });
});

/** As an api does that dies before its agent hears of it, or takes the index for away by then. */
async function claimAndDie(): Promise<void> {
  const { fleet, now } = one.fleet.parts;
  const hosts = fleet.liveHosts(now());
  const asked = { database: one.id, hosts, silent: [], deadlineMs: 30_000, force: false };
  await databaseStart(one.hot, { ...asked, floor: null });
  expect(await one.state()).toBe('starting');
}

/** Longer than a few looks, and much less than the deadline of a start. */
const SOON_MS = 2_000;

test('an epoch that was claimed and has been used up meanwhile does not keep a start waiting', async () => {
  await suspendAtHost();
  await claimAndDie();
  // Without the index: its next epoch is the same one, and it is over again.
  const { syncTokenOf } = one.fleet.parts.fleet;
  const sync_token = syncTokenOf('host-1') ?? '';
  await one.host.verbs.attach({ database: one.id, sync_token });
  await one.host.verbs.suspend({ database: one.id, epoch: 2, if_idle: false });
  await one.fleet.sync();
  const began = performance.now();
  expect(await start()).toMatchObject({ state: 'running', epoch: 3 });
  expect(performance.now() - began).toBeLessThan(SOON_MS);
});

test('a start that another instance has claimed and lost is over when its Postgres does not start', async () => {
  await suspendAtHost();
  await claimAndDie();
  one.host.faults.add({ verb: 'attach', kind: 'refuse', code: 'start_failed' });
  await expect(start()).rejects.toMatchObject({ code: 'start_failed' });
  expect(await databaseFind(one.hot, one.id)).toMatchObject({ state: 'suspended', failures: 1 });
});

test('a start that fails as an epoch which was raised is taken back', async () => {
  await suspendAtHost();
  const { syncTokenOf } = one.fleet.parts.fleet;
  const sync_token = syncTokenOf('host-1') ?? '';
  await one.host.verbs.attach({ database: one.id, sync_token });
  await one.host.verbs.suspend({ database: one.id, epoch: 2, if_idle: false });
  // The index has not heard of epoch 2, and asks for it; the epoch after that one fails.
  one.host.faults.add({ verb: 'attach', kind: 'delay', ms: 0 });
  one.host.faults.add({ verb: 'attach', kind: 'refuse', code: 'start_failed' });
  await expect(start()).rejects.toMatchObject({ code: 'start_failed' });
  expect(await one.state()).toBe('suspended');
});

test('a start on a full volume is refused with its reason, and is no failure of the database', async () => {
  await suspendAtHost();
  one.host.faults.add({ verb: 'attach', kind: 'refuse', code: 'storage_full' });
  await expect(start()).rejects.toMatchObject({ code: 'storage_full' });
  expect(await databaseFind(one.hot, one.id)).toMatchObject({ state: 'suspended', failures: 0 });
  expect(await start()).toMatchObject({ state: 'running' });
});
