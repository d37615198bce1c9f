/** One Worker per role: connecting, creating, reconciling what the server must have, and the end. */
import { hostname } from 'node:os';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Registry } from 'prom-client';
import { withFailures } from '../activities/failure.ts';
import { NAMESPACE, type Role } from '../model/cold/names.ts';
import { ensureBundle } from './bundle.ts';
import { connectNative, reasonOf, untilDone, type Patience } from './connect.ts';
import type { WorkerDeps } from './deps.ts';
import { reconcileNamespace } from './namespace.ts';
import { knownSchedules, type RoleDefinition } from './registry.ts';
import { reconcileSchedules, watchSchedules } from './schedules.ts';
import { reconcileSearchAttributes } from './search-attributes.ts';
import { watchWorkers, type RunningWorker } from './watchdog.ts';

/** Activities in flight may end by themselves; then they are cancelled; then they are left. */
const SHUTDOWN_GRACE_MS = 20_000;
export const SHUTDOWN_FORCE_MS = 30_000;
/** A workflow task that a dead worker had cached goes to another one after this. */
const STICKY_MS = 5_000;
/** A heartbeat's answer is how an activity learns that an operator pauses or aborts. */
const HEARTBEAT_MS = 2_000;
/** Many small workers share a process. */
const CACHED_WORKFLOWS_MAX = 50;

export interface RunOptions {
  readonly address: string;
  readonly retentionDays: number;
  readonly definitions: readonly RoleDefinition[];
  readonly deps: WorkerDeps;
  readonly registry: Registry;
  readonly started: (workers: readonly RunningWorker[]) => void;
  readonly reconciled: () => void;
  readonly died: (role: Role, state: string) => void;
}

export interface Workers {
  /** Settled when every queue is served and the schedules are as the table says. */
  readonly ready: Promise<void>;
  /** Polls no more, lets activities end within the grace time, closes the connection. */
  readonly stop: () => Promise<void>;
}

async function createWorker(
  connection: NativeConnection,
  codePath: string,
  definition: RoleDefinition,
  deps: WorkerDeps,
): Promise<RunningWorker> {
  const { role, queue } = definition;
  const worker = await Worker.create({
    connection,
    namespace: NAMESPACE,
    taskQueue: queue,
    identity: `${role}@${hostname()}#${process.pid}`,
    workflowBundle: { codePath },
    activities: withFailures(definition.activities(deps), deps.log),
    maxConcurrentActivityTaskExecutions: definition.maxConcurrentActivities,
    maxConcurrentWorkflowTaskExecutions: 10,
    maxConcurrentWorkflowTaskPolls: 2,
    maxConcurrentActivityTaskPolls: 1,
    maxCachedWorkflows: CACHED_WORKFLOWS_MAX,
    stickyQueueScheduleToStartTimeout: STICKY_MS,
    maxHeartbeatThrottleInterval: HEARTBEAT_MS,
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
  });
  return { role, queue, worker };
}

/** What the server must have before the first workflow starts. */
async function reconcileServer(options: RunOptions, patience: Patience): Promise<void> {
  const { temporal, log } = options.deps;
  await untilDone('namespace', () => reconcileNamespace(temporal, options.retentionDays), patience);
  const wrong = await untilDone(
    'search attributes',
    () => reconcileSearchAttributes(temporal),
    patience,
  );
  if (wrong !== undefined && wrong.length > 0)
    log.error({ search_attributes: wrong }, 'the server has them with another type');
}

export function runWorkers(options: RunOptions): Workers {
  const { deps, definitions } = options;
  const { log } = deps;
  const stopping = new AbortController();
  const patience: Patience = { log, signal: stopping.signal };
  let connection: NativeConnection | undefined;
  let running: readonly RunningWorker[] = [];
  let runs: Promise<unknown> = Promise.resolve();
  const watches: { readonly stop: () => void }[] = [];

  /** All of them or none: a worker that was made and never run would hold its connection. */
  async function createAll(codePath: string): Promise<readonly RunningWorker[]> {
    const made = connection ?? (await connectNative(options.address));
    connection = made;
    const workers: RunningWorker[] = [...running];
    for (const definition of definitions.slice(workers.length)) {
      workers.push(await createWorker(made, codePath, definition, deps));
      running = [...workers];
    }
    return workers;
  }

  function run(): void {
    options.started(running);
    runs = Promise.allSettled(
      running.map(({ role, worker }) =>
        worker.run().catch((error: unknown) => {
          log.error({ role, reason: reasonOf(error) }, 'a worker failed');
          options.died(role, worker.getState());
        }),
      ),
    );
    watches.push(watchWorkers(running, options.died));
  }

  async function start(): Promise<void> {
    const codePath = await ensureBundle();
    await reconcileServer(options, patience);
    const created = await untilDone('workers', () => createAll(codePath), patience);
    if (created === undefined) return;
    run();
    const own = definitions.flatMap(({ schedules = [] }) => schedules);
    await untilDone('schedules', () => reconcileSchedules(deps.temporal, own), patience);
    if (stopping.signal.aborted) return;
    options.reconciled();
    const { registry } = options;
    watches.push(
      watchSchedules({ client: deps.temporal, registry, log, own, known: knownSchedules() }),
    );
    log.info({ queues: running.map(({ queue }) => queue) }, 'ready');
  }

  const ready = start();

  async function stop(): Promise<void> {
    stopping.abort();
    for (const watch of watches) watch.stop();
    await ready.catch(() => undefined);
    for (const { worker } of running) if (worker.getState() === 'RUNNING') worker.shutdown();
    await runs;
    await connection?.close().catch((error: unknown) => {
      log.debug({ reason: reasonOf(error) }, 'the connection could not be closed');
    });
  }
  return { ready, stop };
}
