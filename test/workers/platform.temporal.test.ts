/** The life of a worker process beside the life of its server. The tests follow one another. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeTemporal, isSkipped } from '../temporal/binary.ts';
import { createTestServer, until, type TestServer } from '../temporal/server.ts';
import { startTestWorker, type TestWorker } from '../temporal/worker.ts';

const QUEUE_LOST_MS_MAX = 150_000;

interface Described {
  readonly schedule: {
    readonly state: { readonly paused?: boolean; readonly notes?: string };
    readonly spec: unknown;
  };
}

let server: TestServer;
let worker: TestWorker;
/** Another server, whose namespace is taken away from a worker at the start of all tests. */
let robbed: TestServer;
let doomed: TestWorker;

beforeAll(async () => {
  if (isSkipped) return;
  // Its state file is as somebody else made it: without our namespace and search attributes.
  server = await createTestServer(true);
  // Polls are answered after seconds instead of a minute: only then a worker learns that they fail.
  const polls = ['--dynamic-config-value', 'matching.longPollExpirationInterval="3s"'];
  robbed = await createTestServer(true, polls);
  await robbed.start();
  const { address, guard } = robbed;
  doomed = await startTestWorker({ address, guard, role: 'keys' });
  await until(() => doomed.isReady(), 30_000);
  await robbed.cli('operator', 'namespace', 'delete', '-n', 'fleet', '--yes');
  // So that no poll is out any more that has begun before.
  await robbed.kill();
  await robbed.start();
});

afterAll(async () => {
  if (isSkipped) return;
  await Promise.all([server.end(), robbed.end()]);
});

const describeSchedule = async (id: string): Promise<Described> =>
  JSON.parse(await server.cli('schedule', 'describe', '-s', id, '-o', 'json')) as Described;

describeTemporal('a worker process and its server', () => {
  test('waits for a server that is not there yet, and says which queues it does not serve', async () => {
    worker = await startTestWorker({ address: server.address, guard: server.guard });
    await until(async () => (await worker.notReady()).includes('cold-pool: WAITING'), 20_000);
    await until(() => worker.log().includes('waiting for the Temporal server'), 30_000);
    await server.start();
    await until(() => worker.isReady(), 40_000);
    expect(await worker.isReady('cold-billing')).toBe(true);
    expect(await worker.isReady('nobody')).toBe(false);
  });

  test('makes the namespace, its retention and search attributes on a foreign state file', async () => {
    expect(await server.cli('operator', 'namespace', 'describe', '-n', 'fleet')).toContain('720h');
    const attributes = await server.cli('operator', 'search-attribute', 'list');
    expect(attributes).toMatch(/FleetPhase +Keyword/);
    expect(attributes).toMatch(/FleetFailures +Int/);
  });

  test('says on /metrics what it serves', async () => {
    const metrics = await (await fetch(`${worker.healthUrl}/metrics`)).text();
    expect(metrics).toMatch(/pilotlight_worker_running\{queue="cold-pool"[^}]*\} 1/);
    expect(metrics).toMatch(/pilotlight_schedule_orphans\{[^}]*\} 0/);
  });
});

describeTemporal('schedules', () => {
  test('a schedule that is paused stays paused over kill -9 of the server and a new worker', async () => {
    await server.cli('schedule', 'toggle', '-s', 'pool-small', '--pause', '--reason', 'storm');
    await server.kill();
    await server.start();
    // The same process goes on by itself.
    await until(() => worker.isReady(), 20_000);
    const after = await describeSchedule('pool-small');
    expect(after.schedule.state).toMatchObject({ paused: true, notes: 'storm' });
    const { address, guard } = server;
    const second = await startTestWorker({ address, guard, role: 'pool' });
    await until(() => second.isReady(), 30_000);
    expect((await describeSchedule('pool-small')).schedule.state.paused).toBe(true);
    second.process.kill('SIGTERM');
    expect(await second.exitCode).toBe(0);
  });

  test('a replaced schedule is brought back and stays paused; one of no table is told', async () => {
    await server.cli(
      ...['schedule', 'create', '-s', 'left-behind', '--interval', '7h', '--type', 'x'],
      ...['--workflow-id', 'x', '--task-queue', 'y'],
      ...['--schedule-memo', 'managed_by="pilotlight"'],
    );
    await server.cli(
      ...['schedule', 'update', '-s', 'pool-small', '--interval', '7h', '--type', 'other'],
      ...['--workflow-id', 'x', '--task-queue', 'y', '--paused'],
    );
    const { address, guard } = server;
    const second = await startTestWorker({ address, guard, role: 'pool' });
    await until(() => second.isReady(), 30_000);
    const metrics = async (): Promise<string> =>
      (await fetch(`${second.healthUrl}/metrics`)).text();
    await until(async () => /pilotlight_schedule_orphans\{[^}]*\} 1/.test(await metrics()), 10_000);
    expect(second.log()).toContain('left-behind');
    const { schedule } = await describeSchedule('pool-small');
    expect(JSON.stringify(schedule.spec)).toContain('"10s"');
    expect(schedule.state.paused).toBe(true);
    second.process.kill('SIGTERM');
    expect(await second.exitCode).toBe(0);
  });
});

describeTemporal('the end of a worker process', () => {
  test('its log holds no secret of its settings', () => {
    expect(worker.log()).not.toMatch(/of-a-test/);
  });

  test('SIGTERM ends it in order, with exit code 0', async () => {
    const began = performance.now();
    worker.process.kill('SIGTERM');
    expect(await worker.exitCode).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(worker.log()).not.toContain('took too long');
  });

  test(
    'a worker whose polls fail for good ends its process with exit code 1',
    async () => {
      await until(() => doomed.process.exitCode !== null, QUEUE_LOST_MS_MAX);
      expect(doomed.process.exitCode).toBe(1);
      expect(doomed.log()).toMatch(/worker keys is FAILED/);
    },
    QUEUE_LOST_MS_MAX + 5_000,
  );
});
