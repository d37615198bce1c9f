/** fleetMigration on a whole stack. The tests follow one another on the same five databases. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MigrationInput, MigrationResult } from '../../model/cold/migrations.ts';
import type { CreateAnswer } from '../../model/wire.ts';
import { describeTemporal, isSkipped } from './binary.ts';
import { ME, ask, progressOf, startTestFleet, type TestFleet } from './fleet.ts';
import { until } from './server.ts';

let fleet: TestFleet;
let databases: CreateAnswer[];
let folder: string;

beforeAll(async () => {
  if (isSkipped) return;
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-sql-'));
  fleet = await startTestFleet();
  databases = await fleet.create(5, 2);
}, 180_000);
afterAll(async () => {
  if (isSkipped) return;
  await fleet.stop();
  await rm(folder, { recursive: true, force: true });
});

const write = (name: string, sql: string): Promise<void> => writeFile(join(folder, name), sql);
const start = (name: string, over: Partial<MigrationInput> = {}) =>
  fleet.start('fleetMigration', `migrate:${name}`, {
    name,
    folder,
    targets: 'all',
    bake_ms: 200,
    batch: 3,
    concurrency: 2,
    retry_ms: 100,
    ...over,
  });
const states = () => Promise.all(databases.map(({ id }) => fleet.state(id)));
const items = (name: string) =>
  fleet.cold('select item_id, state, error, result from run_item where run_id = $1 order by 1', [
    `migrate:${name}`,
  ]);

/** How often a step was applied, per database; and puts those back to sleep that it woke. */
async function hits(step: string): Promise<unknown[]> {
  const before = await states();
  const counts: unknown[] = [];
  for (const { connection_string } of databases) {
    const rows = await ask(
      connection_string,
      `select count(*)::int from hit where step = '${step}'`,
    );
    counts.push(rows[0]?.[0]);
  }
  for (const [i, { id }] of databases.entries())
    if (before[i]?.state === 'suspended') await fleet.suspend(id);
  return counts;
}

describeTemporal('fleetMigration', () => {
  test('every database is migrated once, and those that slept sleep again', async () => {
    await write('0001_table.sql', 'create table hit (step text)');
    await write('0002_first.sql', `insert into hit values ('first')`);
    const before = await states();
    expect(before.map(({ state }) => state)).toEqual([
      ...['running', 'running'],
      ...['suspended', 'suspended', 'suspended'],
    ]);
    const run = await start('first');
    const result: MigrationResult = await run.result();
    expect(result).toEqual({ outcome: 'done', total: 5, done: 5, failed: 0, skipped: 0 });
    const after = await states();
    expect(after.map(({ state }) => state)).toEqual(before.map(({ state }) => state));
    // Who was awake was not disturbed; who slept was woken once.
    expect(after.map(({ epoch }, i) => epoch - (before[i]?.epoch ?? 0))).toEqual([0, 0, 1, 1, 1]);
    expect(await hits('first')).toEqual([1, 1, 1, 1, 1]);
    const { json, payloads } = await fleet.history('migrate:first');
    expect(json + payloads).not.toMatch(/insert into|create table/);
    expect(await fleet.cold('select * from hold')).toEqual([]);
  });

  test('a run that is started again applies nothing, and other files under its name are refused', async () => {
    const again: MigrationResult = await (await start('first')).result();
    expect(again).toMatchObject({ outcome: 'done', done: 5 });
    await write('0003_second.sql', `insert into hit values ('second')`);
    const other = await start('first');
    await expect(other.result()).rejects.toMatchObject({
      cause: { cause: { type: 'bad_request' } },
    });
    expect(await hits('first')).toEqual([1, 1, 1, 1, 1]);
  });

  test('after kill -9 of the worker in the middle it ends, and nothing is applied twice', async () => {
    await write('0004_slow.sql', `insert into hit select 'slow' from pg_sleep(0.7)`);
    const run = await start('killed', { concurrency: 1, canary: 0 });
    await until(async () => (await items('killed')).some(({ state }) => state === 'done'), 30_000);
    expect(fleet.stack.kill('worker', 'SIGKILL')).toBe(true);
    const result: MigrationResult = await run.result();
    expect(result).toMatchObject({ outcome: 'done', done: 5, failed: 0 });
    expect(await hits('slow')).toEqual([1, 1, 1, 1, 1]);
    expect(await hits('second')).toEqual([1, 1, 1, 1, 1]);
    const now = await states();
    expect(now.slice(2).map(({ state }) => state)).toEqual(['suspended', 'suspended', 'suspended']);
  });

  test('too many failures pause it; what failed is begun again and ends well', async () => {
    await write('0005_needs.sql', `insert into hit select 'needs' from needed`);
    const wrong = databases[0]?.connection_string ?? '';
    for (const { connection_string } of databases.slice(1))
      await ask(connection_string, 'create table needed as select 1');
    const run = await start('failing', { canary: 0, batch: 5, concurrency: 1 });
    await until(async () => (await progressOf(run)).paused_by === 'workflow', 30_000);
    expect(await progressOf(run)).toMatchObject({
      failed: 1,
      pause_reason: '1 failed, and 0 are allowed',
    });
    const failed = (await items('failing')).filter(({ state }) => state === 'failed');
    expect(failed).toMatchObject([{ item_id: databases[0]?.id, error: 'migration_failed' }]);
    const [detail] = await fleet.cold(`select detail from run_item where state = 'failed'`);
    expect(detail?.['detail']).toMatch(/^SQLSTATE 42P01, at character \d+ of the file$/);
    await ask(wrong, 'create table needed as select 1');
    await expect(run.executeUpdate('retryFailed', { args: [{}] })).rejects.toThrow('Update failed');
    expect(await run.executeUpdate('retryFailed', { args: [ME] })).toBe(1);
    await run.executeUpdate('resume', { args: [ME] });
    const result: MigrationResult = await run.result();
    expect(result).toMatchObject({ outcome: 'done', done: 5, failed: 0 });
    expect(await hits('needs')).toEqual([1, 1, 1, 1, 1]);
  });
});

describeTemporal('fleetMigration and other operations', () => {
  test('what another holds is waited for, and what is not to be had is skipped with its reason', async () => {
    const [first, second] = databases.map(({ id }) => id);
    await fleet.cold(
      `insert into hold values ($1, 'rotate:other', 'keyRotation', now() + interval '1 hour')`,
      [first],
    );
    const gone = `db-${'z'.repeat(20)}`;
    await write('0006_held.sql', `insert into hit values ('held')`);
    const targets = [first ?? '', second ?? '', gone];
    const run = await start('held', { targets, canary: 0 });
    const state = async (id: string | undefined) =>
      (await items('held')).find(({ item_id }) => item_id === id);
    await until(async () => (await state(second))?.['state'] === 'done', 30_000);
    await until(async () => (await state(first))?.['error'] === 'held', 10_000);
    expect((await state(gone))?.['error']).toBe('database_not_found');
    await fleet.cold(`delete from hold`);
    const result: MigrationResult = await run.result();
    expect(result).toEqual({ outcome: 'done', total: 3, done: 2, failed: 0, skipped: 1 });
  });

  test('aborted in the bake it ends with the canary alone', async () => {
    await write('0007_aborted.sql', `insert into hit values ('aborted')`);
    const run = await start('aborted', { bake_ms: 3_600_000 });
    await until(async () => (await progressOf(run)).phase === 'bake', 30_000);
    await run.executeUpdate('abort', { args: [{ ...ME, reason: 'a test' }] });
    const result: MigrationResult = await run.result();
    expect(result).toEqual({ outcome: 'aborted', total: 5, done: 1, failed: 0, skipped: 0 });
    expect((await hits('aborted')).reduce((sum: number, n) => sum + Number(n), 0)).toBe(1);
  });

  test.each([
    ['name', { name: 'a b' }],
    ['targets', { targets: [] }],
    ['canary', { canary: -1 }],
    ['the folder can not be read', { folder: '/nonexistent' }],
  ])('a wrong input is a typed failure: %s', async (what, over) => {
    const run = await start('wrong', over);
    const error: unknown = await run.result().catch((thrown: unknown) => thrown);
    let cause = (error as Error).cause;
    if (cause instanceof Error && cause.name === 'ActivityFailure') ({ cause } = cause);
    expect(cause).toMatchObject({ type: 'bad_request', message: expect.stringContaining(what) });
  });
});
