/** Dispatch against a real server: nobody works on what it starts, so each run stays as it was. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import type { Cold } from '../../db/cold/pool.ts';
import { workflowId } from '../../model/cold/names.ts';
import { openClient } from '../../workers/connect.ts';
import { dispatchRound } from '../../workers/dispatch.ts';
import { ask, openTestCold } from '../support/cold.ts';
import { createColdTestDatabase, type TestDatabase } from '../support/database.ts';
import { databaseId } from '../support/rows.ts';
import { describeTemporal } from './binary.ts';
import { createTestServer, until, type TestServer } from './server.ts';

describeTemporal('dispatch', () => {
  let server: TestServer;
  let database: TestDatabase;
  let cold: Cold;
  let temporal: Client;
  let ids = 0;
  let seq = 0;

  beforeAll(async () => {
    [server, database] = await Promise.all([createTestServer(), createColdTestDatabase()]);
    await server.start();
    cold = openTestCold(database);
    temporal = openClient(server.address);
    await until(() => dispatchRound({ cold, temporal }).then(() => true), 20_000);
  });
  afterAll(async () => {
    await temporal.connection.close();
    await cold.close();
    await Promise.all([server.end(), database.drop()]);
  });

  let id = '';
  beforeEach(() => {
    id = databaseId(++ids);
  });

  const event = (kind: string, of = id) =>
    ask(
      cold,
      `insert into event (source, boot, seq, generation, kind, at_ms, database_id, tenant)
       values ('hot:x', 0, $1, gen_random_uuid(), $2, 0, $3, 'acme')`,
      [++seq, kind, of],
    );
  const dispatch = () => dispatchRound({ cold, temporal });
  const describe = (of = id) =>
    temporal.workflow.getHandle(workflowId.databaseDeletion(of)).describe();
  const cursor = async () =>
    (await ask<{ event_id: number }>(cold, 'select event_id from dispatch_cursor'))[0]?.event_id;
  /** As if the process had died after the starts and before it moved the cursor. */
  const forget = () => ask(cold, 'update dispatch_cursor set event_id = 0');
  const endRun = (of = id) =>
    temporal.workflow.getHandle(workflowId.databaseDeletion(of)).terminate('a test');

  test('starts the deletion of a deleted database, and moves its cursor', async () => {
    await event('database_created');
    await event('database_deleted');
    expect(await dispatch()).toBe(1);
    const run = await describe();
    expect(run).toMatchObject({ type: 'databaseDeletion', taskQueue: 'cold-deletion' });
    expect(await cursor()).toBe(run.memo?.['event']);
    expect(await dispatch()).toBe(0);
  });

  test('what was started before the cursor could be moved is started once', async () => {
    await event('database_deleted');
    await dispatch();
    const { runId } = await describe();
    await forget();
    await dispatch();
    expect((await describe()).runId).toBe(runId);
    await endRun();
    await forget();
    await dispatch();
    expect((await describe()).runId).toBe(runId);
  });

  test('a tombstone that is written again joins the run under way', async () => {
    await event('database_deleted');
    await dispatch();
    const { runId } = await describe();
    await event('database_deleted');
    await dispatch();
    expect((await describe()).runId).toBe(runId);
  });

  test('deleted, brought back and deleted again, it gets a run of its own', async () => {
    await event('database_deleted');
    await dispatch();
    const { runId } = await describe();
    await endRun();
    await event('database_deleted');
    await dispatch();
    const again = await describe();
    expect(again.runId).not.toBe(runId);
    expect(again.status.name).toBe('RUNNING');
  });

  test('while the server is down nothing is accepted, and then all of it is, in pages', async () => {
    const many = Array.from({ length: 45 }, () => databaseId(++ids));
    await server.kill();
    for (const one of many) await event('database_deleted', one);
    const before = await cursor();
    await expect(dispatch()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await cursor()).toBe(before);
    await server.start();
    let started = 0;
    await until(async () => {
      started += await dispatch().catch(() => 0);
      return started >= many.length;
    }, 30_000);
    const runs = await Promise.all(many.map((one) => describe(one)));
    expect(runs.every((run) => run.status.name === 'RUNNING')).toBe(true);
  });
});
