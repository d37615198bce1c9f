/** HTTP of a worker process: /livez, /readyz for all queues or for one, /metrics. */
import { Gauge, type Registry } from 'prom-client';
import type { HttpRoute } from '../lib/http-server.ts';
import { METRICS_PREFIX } from '../lib/metrics.ts';
import { metricsRoute } from '../lib/metrics-route.ts';
import { AppError } from '../model/errors.ts';
import type { RunningWorker } from './watchdog.ts';

export interface HealthState {
  /** Queues that this process is to serve. */
  readonly queues: readonly string[];
  /** Empty until the server has been reached. */
  readonly workers: () => readonly RunningWorker[];
  /** The server has the schedules of this process' roles. */
  readonly reconciled: () => boolean;
  readonly draining: AbortSignal;
}

const RUNNING = 'RUNNING';

function stateOf(health: HealthState, queue: string): string {
  const running = health.workers().find((worker) => worker.queue === queue);
  return running?.worker.getState() ?? 'WAITING_FOR_SERVER';
}

/** @throws AppError `shutting_down`, or `unavailable` naming each queue that is not served. */
function readiness(health: HealthState, queues: readonly string[]): Record<string, string> {
  if (health.draining.aborted) throw new AppError('shutting_down');
  const states = queues.map((queue) => [queue, stateOf(health, queue)] as const);
  const wrong = states.filter(([, state]) => state !== RUNNING);
  if (wrong.length > 0)
    throw new AppError('unavailable', {
      detail: wrong.map(([queue, state]) => `${queue}: ${state}`).join(', '),
    });
  return Object.fromEntries(states);
}

/** What each worker is doing, as of each scrape. */
export function registerWorkerGauges(health: HealthState, registry: Registry): void {
  const gauge = (
    name: string,
    help: string,
    valueOf: (worker: RunningWorker['worker']) => number,
  ): Gauge =>
    new Gauge({
      name: `${METRICS_PREFIX}worker_${name}`,
      help,
      labelNames: ['queue'],
      registers: [registry],
      collect() {
        for (const { queue, worker } of health.workers()) this.set({ queue }, valueOf(worker));
      },
    });
  gauge('running', '1 while the queue is served', (w) => (w.getState() === RUNNING ? 1 : 0));
  gauge('activities', 'activities in flight', (w) => w.getStatus().numInFlightActivities);
  gauge(
    'workflows_cached',
    'workflows in the sticky cache',
    (w) => w.getStatus().numCachedWorkflows,
  );
}

export function healthRoutes(health: HealthState, registry: Registry): readonly HttpRoute[] {
  const get = (path: string, handle: HttpRoute['handle']): HttpRoute => ({
    method: 'GET',
    path,
    scope: null,
    handle,
  });
  return [
    get('/livez', () => Promise.resolve({ status: 'ok' })),
    get('/readyz', async () => {
      const queues = readiness(health, health.queues);
      if (!health.reconciled()) throw new AppError('unavailable', { detail: 'schedules' });
      return { queues };
    }),
    get('/readyz/:queue', async ({ params: { queue = '' } }) => {
      if (!health.queues.includes(queue)) throw new AppError('not_found');
      return { queues: readiness(health, [queue]) };
    }),
    metricsRoute(registry),
  ];
}
