/**
 * poolReplenishment on a whole stack: real agents, both Postgres, a real Temporal server, the worker
 * process. The tests follow one another.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createPoolActivities } from '../../activities/pool.ts';
import { connect } from '../../db/client.ts';
import { openHotFunctions } from '../../db/cold/hot-functions.ts';
import { openCold } from '../../db/cold/pool.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions, JsonClient } from '../../lib/json-client.ts';
import { createLogger } from '../../lib/log.ts';
import type { Progress } from '../../model/cold/operator.ts';
import type { PoolInput, PoolResult } from '../../model/cold/pool.ts';
import { QUEUES } from '../../model/cold/names.ts';
import type { HostReport } from '../../model/wire.ts';
import { openClient } from '../../workers/connect.ts';
import { describeTemporal, isSkipped } from '../temporal/binary.ts';
import { until } from '../temporal/server.ts';

const ME = { actor: 'a test' };
/** A scheduled run begins within ten seconds, and looks every two. */
const SOON_MS = 40_000;

let stack: Stack;
let temporal: Client;

beforeAll(async () => {
  if (isSkipped) return;
  const say = (): void => undefined;
  stack = await startTemporaryStack({ say, warm: 0, management: 'auto' });
  const management = await stack.management;
  if (management === undefined) throw new Error('no management');
  temporal = openClient(management.address);
});
afterAll(async () => {
  if (isSkipped) return;
  await temporal.connection.close();
  await stack.stop();
});

/** Warm slots and slots that become warm, of each host. */
async function warm(): Promise<number[]> {
  const reports = stack.endpoints.hosts.map(async ({ url, token }) => {
    const agent = createJsonClient(token);
    const report = await agent.call<HostReport>(`${url}/v1/state`, { timeoutMs: 5_000 });
    agent.close();
    return report.slots.filter(({ state }) => state === 'warm' || state === 'building').length;
  });
  return Promise.all(reports);
}
const haveWarm = async (n: number): Promise<boolean> => (await warm()).every((w) => w === n);

async function setTarget(n: number): Promise<void> {
  const cold = await connect(stack.endpoints.cold_url);
  await cold.query(`update pool_target set warm_per_host = $1 where size = 'small'`, [n]);
  await cold.end();
}

const start = (name: string, input: PoolInput): Promise<WorkflowHandle> =>
  temporal.workflow.start('poolReplenishment', {
    workflowId: `pool:${name}`,
    taskQueue: QUEUES.pool,
    args: [input],
  });

const toggle = (paused: boolean): Promise<void> => {
  const schedule = temporal.schedule.getHandle('pool-small');
  return paused ? schedule.pause('a test') : schedule.unpause();
};
/** Ends the scheduled run, so that only what a test starts is there. */
async function clear(): Promise<void> {
  const query = `WorkflowType = 'poolReplenishment' and ExecutionStatus = 'Running'`;
  for await (const { workflowId } of temporal.workflow.list({ query }))
    await temporal.workflow
      .getHandle(workflowId)
      .executeUpdate('abort', { args: [{ ...ME, reason: 'room for a test' }] })
      .catch(() => undefined);
}

describeTemporal('poolReplenishment', () => {
  test('the schedule fills every host up to the target of cold Postgres', async () => {
    await until(() => haveWarm(2), SOON_MS);
    await setTarget(3);
    await until(() => haveWarm(3), SOON_MS);
  });

  test('its runs say in the list what they are about', async () => {
    const query = `FleetVerb = 'poolReplenishment' and FleetRunId = 'small'`;
    await until(async () => (await temporal.workflow.count(query)).count > 0, SOON_MS);
  });

  test('a run by hand fills up once and ends; one more builds nothing', async () => {
    await toggle(true);
    await clear();
    await setTarget(4);
    const first: PoolResult = await (await start('by-hand', { size: 'small' })).result();
    expect(first).toEqual({ outcome: 'done', built: 2, failed: 0, no_room: 0 });
    expect(await warm()).toEqual([4, 4]);
    await until(async () => {
      const again: PoolResult = await (await start('by-hand', { size: 'small' })).result();
      return again.built === 0;
    }, 10_000);
    expect(await warm()).toEqual([4, 4]);
  });
});

describeTemporal('poolReplenishment and its operator', () => {
  test('pause holds it, setConcurrency is heard, resume lets it go on, abort ends it', async () => {
    const run = await start('operated', { size: 'small', watch_ms: 300_000, look_ms: 200 });
    const paused = await run.executeUpdate<Progress, [unknown]>('pause', {
      args: [{ ...ME, reason: 'a look' }],
    });
    expect(paused).toMatchObject({ paused_by: ME.actor, pause_reason: 'a look' });
    await setTarget(5);
    const slower = await run.executeUpdate<Progress, [unknown]>('setConcurrency', {
      args: [{ ...ME, n: 1 }],
    });
    expect(slower.concurrency).toBe(1);
    // Longer than it would take to see what is missing and to build it.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(await warm()).toEqual([4, 4]);

    await run.executeUpdate('resume', { args: [ME] });
    // A pause that is over before its cancellation has arrived ends nothing.
    const blink = run.executeUpdate('pause', { args: [{ ...ME, reason: 'a blink' }] });
    await Promise.all([blink, run.executeUpdate('resume', { args: [ME] })]);
    await run.executeUpdate('resume', { args: [ME] });
    await until(() => haveWarm(5), 20_000);
    await run.executeUpdate('abort', { args: [{ ...ME, reason: 'enough' }] });
    const result: PoolResult = await run.result();
    expect(result).toMatchObject({ outcome: 'aborted', built: 2 });
  });

  test('an Update that is wrong is refused at once and leaves no trace', async () => {
    const run = await start('refusing', { size: 'small', watch_ms: 300_000 });
    for (const [name, input] of [
      ['pause', { actor: '' }],
      ['pause', { actor: 'x' }],
      ['resume', {}],
      ['abort', undefined],
      ['setConcurrency', { ...ME, n: 0 }],
      ['setConcurrency', { ...ME, n: 1_000 }],
    ] as const)
      await expect(run.executeUpdate(name, { args: [input] })).rejects.toThrow(
        'Workflow Update failed',
      );
    const { events } = await run.fetchHistory();
    const updates = events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
    expect(updates).toEqual([]);
    expect(await run.query<Progress>('progress')).toMatchObject({ paused_by: null, failed: 0 });
    await run.executeUpdate('abort', { args: [{ ...ME, reason: 'done' }] });
    await run.result();
  });
});

describeTemporal('poolReplenishment in trouble', () => {
  test('a wrong input is a typed failure, not a task that fails for ever', async () => {
    const run = await start('wrong', { size: 'huge' } as unknown as PoolInput);
    await expect(run.result()).rejects.toMatchObject({ cause: { type: 'bad_request' } });
  });

  test.each(['temporal', 'worker'] as const)(
    'after kill -9 of the %s it goes on where it was, and nothing is built twice',
    async (name) => {
      const target = name === 'temporal' ? 6 : 7;
      const run = await start(`killed-${name}`, { size: 'small', watch_ms: 300_000, look_ms: 200 });
      const query = async (): Promise<Progress> => run.query<Progress>('progress');
      await until(async () => (await query()).phase === 'look', 10_000);
      expect(stack.kill(name, 'SIGKILL')).toBe(true);
      await setTarget(target);
      await until(() => haveWarm(target), 60_000);
      await until(
        () =>
          query().then(
            ({ done }) => done === 2,
            () => false,
          ),
        60_000,
      );
      await run.executeUpdate('abort', { args: [{ ...ME, reason: 'done' }] });
      expect(await run.result()).toMatchObject({ outcome: 'aborted', built: 2, failed: 0 });
      expect(await warm()).toEqual([target, target]);
    },
  );
});

describeTemporal('poolReplenishment leaves', () => {
  test('no slot built twice when a build is done again, its answer lost or not yet there', async () => {
    const { hosts, cold_url, hot_url } = stack.endpoints;
    const [host] = hosts;
    if (host === undefined) throw new Error('no host');
    const client = createJsonClient(host.token);
    let earlier = false;
    const agents: JsonClient = {
      ...client,
      async call<T>(url: string, options: CallOptions): Promise<T> {
        const said = await client.call<T>(url, options);
        if (!earlier || !url.endsWith('/v1/state')) return said;
        return JSON.parse(JSON.stringify(said).replaceAll('"warm"', '"building"')) as T;
      },
    };
    const options = { size: 1, name: 'test', onIdleError: () => undefined };
    const cold = openCold({ ...options, url: cold_url });
    const hot = openHotFunctions({ ...options, url: hot_url });
    const draining = new AbortController().signal;
    const log = createLogger('test', 'silent');
    const { poolBuild } = createPoolActivities({ cold, hot, agents, log, draining });
    const [before = 0] = await warm();
    const wanted = { size: 'small', url: host.url, target: before + 2, builds: 2 } as const;
    const build = (): Promise<unknown> =>
      new MockActivityEnvironment().run(poolBuild, { ...wanted, at_once: 2 });
    expect(await build()).toEqual({ built: 2, failed: 0 });
    expect(await build()).toEqual({ built: 0, failed: 0 });
    // The same slots a moment earlier, while they were being built.
    earlier = true;
    expect(await build()).toEqual({ built: 0, failed: 0 });
    client.close();
    await Promise.all([cold.close(), hot.close()]);
  });

  test('none of the stack’s secrets in what Temporal has stored', async () => {
    const { home } = stack.endpoints;
    const text = await readFile(join(home, 'secrets.json'), 'utf8');
    const secrets = Object.values(JSON.parse(text) as Record<string, string>);
    expect(secrets.length).toBeGreaterThan(5);
    for (const name of await readdir(join(home, 'temporal'))) {
      const stored = await readFile(join(home, 'temporal', name));
      expect(secrets.filter((secret) => stored.includes(secret))).toEqual([]);
    }
    const log = await readFile(join(home, 'logs/worker.log'));
    expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
  });
});
