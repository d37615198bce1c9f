/** The billing workflows on a real server with the real worker; relay and dispatch in another one. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { invoiceFind } from '../../db/cold/invoice-store.ts';
import type { Cold } from '../../db/cold/pool.ts';
import { eventInsert } from '../../db/hot/event-insert.ts';
import type { Hot } from '../../db/hot/hot.ts';
import {
  HOUR_MS,
  hourBefore,
  type CloseInput,
  type CloseResult,
  type Invoice,
  type RollupInput,
  type RollupResult,
} from '../../model/cold/billing.ts';
import { QUEUES } from '../../model/cold/names.ts';
import type { Progress } from '../../model/cold/operator.ts';
import type { AgentEvent } from '../../model/wire.ts';
import { openClient } from '../../workers/connect.ts';
import { ask, openTestCold } from '../support/cold.ts';
import {
  createColdTestDatabase,
  createTestDatabase,
  urlAs,
  type TestDatabase,
} from '../support/database.ts';
import { databaseId, givenDatabase, openTestHot } from '../support/rows.ts';
import { describeTemporal } from './binary.ts';
import { createTestServer, until, type TestServer } from './server.ts';
import { startTestWorker, type TestWorker } from './worker.ts';

const ME = { actor: 'a test' };
const OCTOBER = Date.UTC(2026, 9, 1);
const ID = databaseId(1);

describeTemporal('billing', () => {
  let server: TestServer;
  let databases: readonly [TestDatabase, TestDatabase];
  let cold: Cold;
  let hot: Hot;
  let temporal: Client;
  let billing: TestWorker;

  const startWorker = (role: string): Promise<TestWorker> =>
    startTestWorker({
      address: server.address,
      role,
      guard: server.guard,
      settings: {
        PILOTLIGHT_HOT_URL: urlAs(databases[0], 'pilotlight_cold'),
        PILOTLIGHT_COLD_URL: urlAs(databases[1], 'pilotlight_worker'),
      },
    });

  beforeAll(async () => {
    databases = await Promise.all([createTestDatabase(), createColdTestDatabase()]);
    server = await createTestServer();
    await server.start();
    [hot, cold] = [openTestHot(databases[0].url), openTestCold(databases[1])];
    temporal = openClient(server.address);
    billing = await startWorker('billing');
    await until(() => billing.isReady(), 60_000);
  });
  afterAll(async () => {
    await server.end();
    await temporal.connection.close();
    await Promise.all([hot.close(), cold.close()]);
    await Promise.all(databases.map((database) => database.drop()));
  });

  const start = (type: string, id: string, input: unknown): Promise<WorkflowHandle> =>
    temporal.workflow.start(type, { workflowId: id, taskQueue: QUEUES.billing, args: [input] });
  const progress = (run: WorkflowHandle): Promise<Progress> => run.query<Progress>('progress');
  const rolled = async (input: RollupInput, id = 'billing-rollup:test'): Promise<RollupResult> =>
    (await start('billingRollup', id, input)).result() as Promise<RollupResult>;

  const event = (seq: number, kind: AgentEvent['kind'], atMs: number): AgentEvent => ({
    host: 'host-1',
    boot: 1,
    seq,
    kind,
    at: new Date(atMs).toISOString(),
    directory: 'aaaaaaaaaaaaaaaa',
    database: ID,
    epoch: 1,
    size: 'small',
  });

  test('a close waits for the relay, paused it goes no further, aborted it closes nothing', async () => {
    const input: CloseInput = { month: '2026-10', relay_look_ms: 300 };
    const waiting = await start('billingClose', 'billing-close:2026-10', input);
    await until(async () => (await progress(waiting)).phase === 'waiting for the relay', 10_000);
    await waiting.executeUpdate('pause', { args: [{ ...ME, reason: 'a look' }] });
    const paused = await progress(waiting);
    expect(paused).toMatchObject({ paused_by: ME.actor });
    await waiting.executeUpdate('abort', { args: [{ ...ME, reason: 'not yet' }] });
    const result = (await waiting.result()) as CloseResult;
    expect(result).toEqual({ month: '2026-10', outcome: 'aborted', invoices: 0 });
    expect(await ask(cold, 'select * from billing_month')).toEqual([]);
  });

  test('events of hot Postgres become lines of a rollup, when the relay runs', async () => {
    await givenDatabase(hot, { id: ID, state: 'suspended', epoch: 1, slot: 1 });
    const events = [
      event(1, 'started', OCTOBER + HOUR_MS / 2),
      event(2, 'suspended', OCTOBER + 2 * HOUR_MS),
    ];
    await eventInsert(hot, events);
    const dispatch = await startWorker('dispatch');
    await until(
      async () => (await ask(cold, 'select * from usage_interval where ended_ms > 0')).length === 1,
      20_000,
    );
    const period = { from_ms: OCTOBER, to_ms: OCTOBER + 3 * HOUR_MS };
    expect(await rolled(period)).toEqual({ ...period, outcome: 'done', intervals: 1, lines: 2 });
    expect(await rolled(period)).toMatchObject({ intervals: 1, lines: 0 });
    expect(await ask(cold, 'select sum(ms)::bigint as ms from ledger_line')).toEqual([
      { ms: 1.5 * HOUR_MS },
    ]);
    expect(
      (await (await fetch(`${dispatch.healthUrl}/metrics`)).text()).match(
        /relay_events_total.* (\d+)/,
      )?.[1],
    ).toBe('2');
    dispatch.process.kill('SIGTERM');
    expect(await dispatch.exitCode).toBe(0);
  });

  test('a month is closed once, and its invoice has what was used', async () => {
    const run = await start('billingClose', 'billing-close:2026-10', { month: '2026-10' });
    expect(await run.result()).toEqual({ month: '2026-10', outcome: 'done', invoices: 1 });
    const stored = await invoiceFind(cold.durable, 'tenant', '2026-10');
    const invoice = JSON.parse(stored?.body ?? '') as Invoice;
    expect(invoice).toMatchObject({
      state: 'issued',
      total_ms: 1.5 * HOUR_MS,
      total_micro: 24_000,
    });
    const again = await start('billingClose', 'billing-close:2026-10', { month: '2026-10' });
    expect(await again.result()).toMatchObject({ outcome: 'closed_before' });
    expect(await invoiceFind(cold.durable, 'tenant', '2026-10')).toEqual(stored);
  });

  test('the schedules are there, and a triggered one rolls up the hour before', async () => {
    const { from_ms } = hourBefore(Date.now());
    await temporal.schedule.getHandle('billing-rollup').trigger();
    const hour = new Date(from_ms).toISOString();
    const query = `FleetVerb = 'billingRollup' and FleetRunId = '${hour}' and FleetPhase = 'done'`;
    await until(async () => (await temporal.workflow.count(query)).count > 0, 20_000);
    const close = await temporal.schedule.getHandle('billing-close').describe();
    expect(close.spec.calendars?.[0]).toMatchObject({
      hour: [{ start: 6 }],
      minute: [{ start: 0 }],
    });
  });

  test('the command line starts a draft, and a draft closes nothing', async () => {
    const month = new Date().toISOString().slice(0, 7);
    const said = await server.cli(
      ...['workflow', 'execute', '--type', 'billingClose', '--task-queue', QUEUES.billing],
      ...[
        '--workflow-id',
        `billing-close:${month}`,
        '--input',
        JSON.stringify({ month, draft: true }),
      ],
    );
    expect(said).toContain('"outcome":"done"');
    expect(await ask(cold, 'select month from billing_month')).toEqual([{ month: '2026-10' }]);
  });

  test.each([
    ['billingRollup', {}],
    ['billingRollup', { from_ms: 0 }],
    ['billingRollup', { from_ms: 5, to_ms: 4 }],
    ['billingClose', {}],
    ['billingClose', { month: 'november' }],
    ['billingClose', { month: '2199-01' }],
  ])('%s with %j is a typed failure', async (type, input) => {
    const run = await start(type, 'billing:wrong', input);
    const error = await run.result().catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error, ['cause', 'type'])).toContain('bad_request');
  });

  test('server and worker killed under a rollup: it ends, and the ledger is exact', async () => {
    await ask(
      cold,
      `insert into usage_interval (database_id, epoch, tenant, size, started_ms, stopped_ms, ended_ms)
       select 'db-' || n, 1, 'big', 'small', $1::bigint, $1::bigint + n, $1::bigint + n
         from generate_series(1, 30000) n`,
      [OCTOBER],
    );
    const period = { from_ms: OCTOBER, to_ms: OCTOBER + HOUR_MS };
    const run = await start('billingRollup', 'billing-rollup:killed', period);
    await until(
      async () => (await ask(cold, `select 1 from ledger_line where tenant = 'big'`)).length > 0,
      20_000,
    );
    billing.process.kill('SIGKILL');
    await server.kill();
    await billing.exitCode;
    const written = async () =>
      (
        await ask<{ n: number; ms: number }>(
          cold,
          `select count(*) as n, sum(ms)::bigint as ms from ledger_line where tenant = 'big'`,
        )
      )[0];
    expect((await written())?.n).toBeLessThan(30_000);
    await server.start();
    billing = await startWorker('billing');
    const result = (await run.result()) as RollupResult;
    expect(result).toMatchObject({ outcome: 'done', intervals: 30_001 });
    expect(await written()).toEqual({ n: 30_000, ms: (30_000 * 30_001) / 2 });
  });
});
