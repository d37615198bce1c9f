/**
 * The worker fleet of the naive plane: in one process the product's worker with all its roles, and
 * one for starts. `node dist/bench/naive/worker-main.js <address of the table>`.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { withFailures } from '../../activities/failure.ts';
import { readManagementConfig } from '../../lib/config-management.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { createJsonServer } from '../../lib/http-server.ts';
import { closeServer, listen } from '../../lib/listen.ts';
import { createLogger, type Logger } from '../../lib/log.ts';
import { createRegistry } from '../../lib/metrics.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { watchHome } from '../../lib/watch-home.ts';
import { NAMESPACE, ROLES } from '../../model/cold/names.ts';
import { AppError } from '../../model/errors.ts';
import { REQUEST_BYTES_MAX } from '../../model/limits.ts';
import { makeBundle } from '../../workers/bundle.ts';
import { openDeps, temporalAddress, WORKER_KEYS } from '../../workers/config.ts';
import { connectNative, untilDone } from '../../workers/connect.ts';
import { definitionsOf } from '../../workers/registry.ts';
import { runWorkers } from '../../workers/run.ts';
import { installRuntime } from '../../workers/runtime.ts';
import { QUEUE } from './queue.ts';
import { createNaiveSteps } from './steps.ts';
import { openTable } from './table.ts';

const WORKFLOWS = join(PACKAGE_ROOT, 'dist/bench/naive/workflows/index.js');
/** More than the bench has under way at any time. */
const AT_ONCE = 100;
const POLLS = 10;

interface StartWorkerOptions {
  readonly address: string;
  readonly tableUrl: string;
  readonly agentToken: string;
  readonly log: Logger;
}

/** @returns undefined only if `signal` was aborted. */
async function createStartWorker(
  { address, tableUrl, agentToken, log }: StartWorkerOptions,
  signal: AbortSignal,
): Promise<Worker | undefined> {
  const table = openTable(tableUrl, ({ message }) => log.warn({ reason: message }, 'table'));
  const agents = createJsonClient(agentToken);
  const code = await makeBundle(WORKFLOWS);
  return untilDone(
    'the queue of starts',
    async () =>
      Worker.create({
        connection: await connectNative(address),
        namespace: NAMESPACE,
        taskQueue: QUEUE,
        identity: `naive@${hostname()}#${process.pid}`,
        workflowBundle: { code },
        activities: withFailures(createNaiveSteps({ table, agents }), log),
        maxConcurrentWorkflowTaskExecutions: AT_ONCE,
        maxConcurrentLocalActivityExecutions: AT_ONCE,
        maxConcurrentWorkflowTaskPolls: POLLS,
        maxCachedWorkflows: 1_000,
      }),
    { log, signal },
  );
}

runMain('naive-worker', async () => {
  const [tableUrl] = process.argv.slice(2);
  if (tableUrl === undefined) throw new ConfigError('usage: worker-main.js <address of the table>');
  const config = readManagementConfig(WORKER_KEYS);
  const log = createLogger('naive-worker', config.PILOTLIGHT_LOG_LEVEL);
  const shutdown = installShutdown(log);
  const watch = watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('the home is gone', 1));
  shutdown.onStop('watch', watch.stop);
  installRuntime({ log, bind: config.PILOTLIGHT_BIND, metricsPort: 0 });

  let ready = false;
  const server = createJsonServer({
    routes: [
      {
        method: 'GET',
        path: '/readyz',
        scope: null,
        handle: () => (ready ? Promise.resolve({}) : Promise.reject(new AppError('unavailable'))),
      },
    ],
    tokens: fixedTokens({}),
    bodyBytesMax: REQUEST_BYTES_MAX,
    log,
  });
  shutdown.onStop('health', () => closeServer(server));
  await listen(server, config.PILOTLIGHT_METRICS_PORT, config.PILOTLIGHT_BIND);

  const draining = new AbortController();
  const definitions = definitionsOf(ROLES);
  const registry = createRegistry('naive');
  const deps = openDeps({ config, log, name: 'naive', definitions, draining: draining.signal });
  const loops = definitions.flatMap((definition) => definition.loops?.(deps, registry) ?? []);
  shutdown.onStop('loops', async () => {
    await Promise.all(loops.map((loop) => loop.stop()));
  });
  const address = temporalAddress(config);
  const died = (role: string, state: string): void =>
    void shutdown.stop(`worker ${role} is ${state}`, 1);
  const nothing = (): void => undefined;
  const maintenance = runWorkers({
    address,
    retentionDays: config.PILOTLIGHT_TEMPORAL_RETENTION_DAYS,
    definitions,
    deps,
    registry,
    started: nothing,
    reconciled: nothing,
    died,
  });
  await maintenance.ready;
  const agentToken = config.PILOTLIGHT_AGENT_TOKEN;
  const starts = await createStartWorker({ address, tableUrl, agentToken, log }, draining.signal);
  ready = true;
  await starts?.run();
});
