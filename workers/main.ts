/**
 * A worker process of the cold plane: `node dist/workers/main.js --role pool --role billing`, or
 * `--role all`. It waits for a Temporal server that is not there yet, and ends with exit code 1 when
 * one of its workers is dead. SIGTERM drains it.
 */
import { parseArgs } from 'node:util';
import { readManagementConfig } from '../lib/config-management.ts';
import { ConfigError } from '../lib/config-error.ts';
import { createJsonServer } from '../lib/http-server.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger } from '../lib/log.ts';
import { createRegistry } from '../lib/metrics.ts';
import { installShutdown, runMain, type Shutdown } from '../lib/shutdown.ts';
import { fixedTokens } from '../lib/fixed-tokens.ts';
import { watchHome } from '../lib/watch-home.ts';
import { REQUEST_BYTES_MAX } from '../model/limits.ts';
import { ROLES, type Role } from '../model/cold/names.ts';
import { openDeps, temporalAddress, WORKER_KEYS, type WorkerConfig } from './config.ts';
import { healthRoutes, registerWorkerGauges, type HealthState } from './health.ts';
import { definitionsOf, rolesOf } from './registry.ts';
import { installRuntime } from './runtime.ts';
import { runWorkers, SHUTDOWN_FORCE_MS } from './run.ts';
import type { RunningWorker } from './watchdog.ts';

function readRoles(): readonly Role[] {
  const usage = `usage: main.js --role all|${ROLES.join('|')} [--role …]`;
  try {
    const { values } = parseArgs({ options: { role: { type: 'string', multiple: true } } });
    const roles = rolesOf(values.role ?? []);
    if (roles !== undefined) return roles;
  } catch (error) {
    throw new ConfigError(usage, { cause: error });
  }
  throw new ConfigError(usage);
}

/** Steps of the stop run in the reverse of this order. */
async function start(
  roles: readonly Role[],
  config: WorkerConfig,
  shutdown: Shutdown,
): Promise<void> {
  const name = roles.length === ROLES.length ? 'all' : roles.join('+');
  const log = createLogger('worker', config.PILOTLIGHT_LOG_LEVEL).child({ role: name });
  const draining = new AbortController();
  const registry = createRegistry('worker');
  installRuntime({
    log,
    bind: config.PILOTLIGHT_BIND,
    metricsPort: config.PILOTLIGHT_WORKER_METRICS_PORT,
  });
  const definitions = definitionsOf(roles);
  const deps = openDeps({ config, log, name, definitions, draining: draining.signal });
  shutdown.onStop('connections', deps.close);

  let running: readonly RunningWorker[] = [];
  let reconciled = false;
  const health: HealthState = {
    queues: definitions.map(({ queue }) => queue),
    workers: () => running,
    reconciled: () => reconciled,
    draining: draining.signal,
  };
  registerWorkerGauges(health, registry);
  const server = createJsonServer({
    routes: healthRoutes(health, registry),
    tokens: fixedTokens({}),
    bodyBytesMax: REQUEST_BYTES_MAX,
    log,
  });
  shutdown.onStop('health', () => closeServer(server));
  await listen(server, config.PILOTLIGHT_METRICS_PORT, config.PILOTLIGHT_BIND);

  const loops = definitions.flatMap((definition) => definition.loops?.(deps, registry) ?? []);
  shutdown.onStop('loops', async () => {
    await Promise.all(loops.map((loop) => loop.stop()));
  });
  const workers = runWorkers({
    address: temporalAddress(config),
    retentionDays: config.PILOTLIGHT_TEMPORAL_RETENTION_DAYS,
    definitions,
    deps,
    registry,
    started: (now) => (running = now),
    reconciled: () => (reconciled = true),
    died: (role, state) => void shutdown.stop(`worker ${role} is ${state}`, 1),
  });
  shutdown.onStop('workers', workers.stop);
  shutdown.onStop('draining', () => draining.abort());
  await workers.ready;
}

runMain('worker', async () => {
  const roles = readRoles();
  const config = readManagementConfig(WORKER_KEYS);
  const log = createLogger('worker', config.PILOTLIGHT_LOG_LEVEL);
  const shutdown = installShutdown(log, SHUTDOWN_FORCE_MS + 5_000);
  const watch = watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('the home is gone', 1));
  shutdown.onStop('watch', watch.stop);
  await start(roles, config, shutdown);
});
