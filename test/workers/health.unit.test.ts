import { afterEach, describe, expect, test } from '@jest/globals';
import type { Worker } from '@temporalio/worker';
import { Registry } from 'prom-client';
import { codeOf } from '../../model/errors.ts';
import { healthRoutes, registerWorkerGauges, type HealthState } from '../../workers/health.ts';
import { lineOf } from '../../workers/runtime.ts';
import { watchWorkers, type RunningWorker } from '../../workers/watchdog.ts';

/** The SDK's worker as far as we look at it: the states that it reaches are tested with real ones. */
function workerIn(states: { state: string }, role: 'pool' | 'keys' = 'pool'): RunningWorker {
  const worker = {
    getState: () => states.state,
    getStatus: () => ({ numInFlightActivities: 3, numCachedWorkflows: 2 }),
  } as unknown as Worker;
  return { role, queue: `cold-${role}`, worker };
}

const request = (params: Record<string, string> = {}) => ({
  params,
  body: undefined,
  requestId: undefined,
});

function ready(health: Partial<HealthState>, path = '/readyz', params = {}): Promise<unknown> {
  const whole: HealthState = {
    queues: ['cold-pool', 'cold-keys'],
    workers: () => [],
    reconciled: () => true,
    draining: new AbortController().signal,
    ...health,
  };
  const route = healthRoutes(whole, new Registry()).find((r) => r.path === path);
  return (
    route?.handle(request(params)).catch((error: unknown) => ({
      code: codeOf(error),
      detail: (error as { detail?: string }).detail,
    })) ?? Promise.resolve()
  );
}

describe('health', () => {
  const fine = workerIn({ state: 'RUNNING' });
  const failed = workerIn({ state: 'FAILED' }, 'keys');

  test('names each queue that is not served, and why', async () => {
    expect(await ready({ workers: () => [fine, failed] })).toEqual({
      code: 'unavailable',
      detail: 'cold-keys: FAILED',
    });
    expect(await ready({})).toMatchObject({
      detail: 'cold-pool: WAITING_FOR_SERVER, cold-keys: WAITING_FOR_SERVER',
    });
  });

  test('is told for one queue alone', async () => {
    const workers = (): RunningWorker[] => [fine, failed];
    const of = (queue: string) => ready({ workers }, '/readyz/:queue', { queue });
    expect(await of('cold-pool')).toEqual({ queues: { 'cold-pool': 'RUNNING' } });
    expect(await of('cold-keys')).toMatchObject({ code: 'unavailable' });
    expect(await of('cold-other')).toMatchObject({ code: 'not_found' });
  });

  test('is not given before the schedules are as they should be, nor while draining', async () => {
    const queues = ['cold-pool'];
    const workers = (): RunningWorker[] => [fine];
    expect(await ready({ queues, workers })).toEqual({ queues: { 'cold-pool': 'RUNNING' } });
    expect(await ready({ queues, workers, reconciled: () => false })).toMatchObject({
      detail: 'schedules',
    });
    const draining = AbortSignal.abort();
    expect(await ready({ queues, workers, draining })).toMatchObject({ code: 'shutting_down' });
  });

  test('is measured per queue', async () => {
    const registry = new Registry();
    const health = { queues: [], workers: () => [fine, failed], reconciled: () => true };
    registerWorkerGauges({ ...health, draining: new AbortController().signal }, registry);
    const text = await registry.metrics();
    expect(text).toContain('pilotlight_worker_running{queue="cold-pool"} 1');
    expect(text).toContain('pilotlight_worker_running{queue="cold-keys"} 0');
    expect(text).toContain('pilotlight_worker_activities{queue="cold-pool"} 3');
  });
});

describe('the watchdog', () => {
  let stop = (): void => undefined;
  afterEach(() => stop());

  test.each(['FAILED', 'STOPPED'])('tells once of a worker that is %s', async (state) => {
    const states = { state: 'RUNNING' };
    const died: string[] = [];
    await new Promise<void>((resolve) => {
      const watch = watchWorkers([workerIn(states)], (role, now) => {
        died.push(`${role} ${now}`);
        resolve();
      });
      stop = watch.stop;
      states.state = state;
    });
    expect(died).toEqual([`pool ${state}`]);
  });
});

describe('a line of the SDK', () => {
  test('is written with names and numbers, without arguments, results and stacks', () => {
    const error = Object.assign(new Error('no'), { type: 'held', details: ['hunter2'] });
    const meta = { taskQueue: 'q', attempt: 2, args: ['hunter2'], error, result: 'hunter2' };
    expect(lineOf({ meta })).toEqual({
      taskQueue: 'q',
      attempt: 2,
      error: { type: 'held', text: 'no' },
    });
    expect(lineOf({})).toEqual({});
  });
});
