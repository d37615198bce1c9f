/** databaseDeletion on a whole stack, started by dispatch and by hand. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { createJsonClient } from '../../lib/http-client.ts';
import type { DeletionInput, DeletionResult } from '../../model/cold/deletion.ts';
import type { CreateAnswer } from '../../model/wire.ts';
import { describeTemporal, isSkipped } from './binary.ts';
import { ME, ask, progressOf, startTestFleet, type TestFleet } from './fleet.ts';
import { until } from './server.ts';

/** By its verifiers, or by its tombstone where the proxy still remembers them. */
const REFUSED: unknown = expect.stringMatching(/^(28P01|3D000)$/);

let fleet: TestFleet;

beforeAll(async () => {
  if (isSkipped) return;
  fleet = await startTestFleet();
}, 180_000);
afterAll(() => (isSkipped ? undefined : fleet.stop()));

async function create(): Promise<CreateAnswer> {
  const [made] = await fleet.create(1, 1);
  if (made === undefined) throw new Error('no database');
  await ask(made.connection_string, 'create table kept as select 7 as n');
  return made;
}

const PROOF = `select host_id, directory, files::int, bytes::int, purged_at from purge where database_id = $1`;
const start = (database: string, over: Partial<DeletionInput> = {}) =>
  fleet.start('databaseDeletion', `delete:${database}`, { database, retention_ms: 1_000, ...over });

/** The run that dispatch has started for it. */
async function dispatched(database: string): Promise<WorkflowHandle> {
  const handle = fleet.temporal.workflow.getHandle(`delete:${database}`);
  const runs = () => handle.describe().then(({ status }) => status.name === 'RUNNING');
  await until(() => runs().catch(() => false), 20_000);
  await until(async () => (await progressOf(handle)).total === 1, 20_000);
  return handle;
}

async function abort(run: WorkflowHandle): Promise<void> {
  await run.executeUpdate('abort', { args: [{ ...ME, reason: 'a test' }] });
  expect(await run.result()).toEqual({ outcome: 'aborted' });
}

async function api(path: string, method: 'POST' | 'DELETE'): Promise<void> {
  const { url, tokens } = fleet.stack.endpoints.api;
  const client = createJsonClient(tokens['cold'] ?? '');
  await client.call(`${url}${path}`, { method, timeoutMs: 5_000 }).finally(client.close);
}

describeTemporal('databaseDeletion', () => {
  test('dispatch starts it, and an undelete brings the database back with its data', async () => {
    const { id, connection_string } = await create();
    await fleet.fleet.remove(id);
    await expect(ask(connection_string, 'select 1')).rejects.toMatchObject({ code: REFUSED });
    const run = await dispatched(id);
    expect(await progressOf(run)).toMatchObject({ phase: 'retention' });
    expect(await run.executeUpdate('undelete', { args: [ME] })).toEqual({ outcome: 'undeleted' });
    expect(await run.result()).toEqual({ outcome: 'undeleted' });
    await until(async () => (await fleet.state(id)).state === 'suspended', 10_000);
    expect(await ask(connection_string, 'select n from kept')).toEqual([[7]]);
    const known = () => fleet.cold('select state, deleted_ms from database where id = $1', [id]);
    await until(async () => (await known())[0]?.['state'] === 'live', 10_000);
    expect(await known()).toEqual([{ state: 'live', deleted_ms: null }]);
  });

  test('after the retention the data go, with a proof; the tombstone stays, and nothing leads back', async () => {
    const { id, connection_string } = await create();
    await fleet.fleet.remove(id);
    await abort(await dispatched(id));
    const run = await start(id);
    const result = (await run.result()) as Extract<DeletionResult, { outcome: 'purged' }>;
    expect(result).toMatchObject({ outcome: 'purged', host: expect.stringMatching(/^host-/) });
    expect(result.files).toBeGreaterThan(500);
    const [proof] = await fleet.cold(PROOF, [id]);
    const { directory, files, bytes } = result;
    expect(proof).toMatchObject({ directory, files, bytes, host_id: result.host });
    const folder = join(fleet.stack.endpoints.volume, 'directories', directory);
    expect((await readdir(folder)).sort()).toEqual(['database', 'lock', 'run']);
    await expect(api(`/v1/databases/${id}/undelete`, 'POST')).rejects.toMatchObject({
      code: 'database_deleted',
    });
    expect((await fleet.state(id)).state).toBe('deleting');
    await expect(ask(connection_string, 'select 1')).rejects.toMatchObject({ code: REFUSED });
    // Asked once more it answers the same.
    expect(await (await start(id)).result()).toEqual(result);
    expect(await fleet.cold(PROOF, [id])).toEqual([proof]);
  });

  test('the retention counts from the newest tombstone', async () => {
    const { id } = await create();
    await fleet.fleet.remove(id);
    await abort(await dispatched(id));
    // Long enough for all that follows on a busy machine.
    const run = await start(id, { retention_ms: 10_000 });
    await until(async () => (await progressOf(run)).total === 1, 10_000);
    await api(`/v1/databases/${id}/undelete`, 'POST');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await fleet.fleet.remove(id);
    const deletedAt = Date.parse((await fleet.fleet.get(id)).deleted_at ?? '');
    expect(await run.result()).toMatchObject({ outcome: 'purged' });
    expect(Date.now() - deletedAt).toBeGreaterThanOrEqual(10_000);
  });

  test('paused it removes nothing, and what another operation holds it waits for', async () => {
    const { id } = await create();
    await fleet.fleet.remove(id);
    await abort(await dispatched(id));
    await fleet.cold(
      `insert into hold values ($1, 'migrate:x', 'fleetMigration', now() + interval '1 hour')`,
      [id],
    );
    const run = await start(id);
    await run.executeUpdate('pause', { args: [{ ...ME, reason: 'a look' }] });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await progressOf(run)).phase).toBe('retention');
    await run.executeUpdate('resume', { args: [ME] });
    const failure = async () => JSON.stringify((await run.describe()).raw.pendingActivities);
    await until(async () => (await failure()).includes('another operation holds'), 10_000);
    await fleet.cold('delete from hold');
    expect(await run.result()).toMatchObject({ outcome: 'purged' });
  });

  test('worker killed with kill -9 in the retention: it ends, and the data go once', async () => {
    const { id } = await create();
    await fleet.fleet.remove(id);
    await abort(await dispatched(id));
    const run = await start(id, { retention_ms: 2_000 });
    await until(async () => (await progressOf(run)).total === 1, 10_000);
    expect(fleet.stack.kill('worker', 'SIGKILL')).toBe(true);
    expect(await run.result()).toMatchObject({ outcome: 'purged' });
  });

  test('what lives is left alone, and a wrong input is a typed failure', async () => {
    const { id, connection_string } = await create();
    expect(await (await start(id)).result()).toEqual({ outcome: 'undeleted' });
    expect(await ask(connection_string, 'select n from kept')).toEqual([[7]]);
    await expect((await start('db-x')).result()).rejects.toMatchObject({
      cause: { type: 'bad_request' },
    });
  });
});
