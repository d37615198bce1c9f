/** The settings of a worker process, and what its activities get from them. */
import { openHotFunctions } from '../db/cold/hot-functions.ts';
import { openCold } from '../db/cold/pool.ts';
import type { ManagementConfig, ManagementKey } from '../lib/config-management.ts';
import { createJsonClient } from '../lib/http-client.ts';
import type { Logger } from '../lib/log.ts';
import { openClient } from './connect.ts';
import type { WorkerDeps } from './deps.ts';
import type { RoleDefinition } from './registry.ts';

export const WORKER_KEYS = [
  'PILOTLIGHT_BIND',
  'PILOTLIGHT_METRICS_PORT',
  'PILOTLIGHT_WORKER_METRICS_PORT',
  'PILOTLIGHT_API_URLS',
  'PILOTLIGHT_API_TOKEN',
  'PILOTLIGHT_AGENT_TOKEN',
  'PILOTLIGHT_HOT_URL',
  'PILOTLIGHT_COLD_URL',
  'PILOTLIGHT_SEALING_PUBLIC_KEY',
  'PILOTLIGHT_TEMPORAL_ADDRESS',
  'TEMPORAL_ADDRESS',
  'PILOTLIGHT_TEMPORAL_RETENTION_DAYS',
  'PILOTLIGHT_LOG_LEVEL',
  'PILOTLIGHT_WATCH',
] as const satisfies readonly ManagementKey[];

export type WorkerConfig = ManagementConfig<(typeof WORKER_KEYS)[number]>;

/** What Temporal's own programs take when nothing is said. */
const ADDRESS_DEFAULT = '127.0.0.1:7233';

export const temporalAddress = (
  config: Pick<WorkerConfig, 'PILOTLIGHT_TEMPORAL_ADDRESS' | 'TEMPORAL_ADDRESS'>,
): string => config.PILOTLIGHT_TEMPORAL_ADDRESS || config.TEMPORAL_ADDRESS || ADDRESS_DEFAULT;

/** Connections of each of the two pools to cold Postgres: one process never takes more. */
const COLD_CONNECTIONS_MAX = 8;

/** The role may have 8 in all; only the roles pool and dispatch ask hot Postgres anything. */
const HOT_CONNECTIONS_MAX = 2;

export interface OpenOptions {
  readonly config: WorkerConfig;
  readonly log: Logger;
  /** Of the process, as pg_stat_activity shows it. */
  readonly name: string;
  readonly definitions: readonly RoleDefinition[];
  readonly draining: AbortSignal;
}

/** Opens what the activities need. Nothing connects before it is used. */
export function openDeps(
  options: OpenOptions,
): WorkerDeps & { readonly close: () => Promise<void> } {
  const { config, log, draining } = options;
  const busy = options.definitions.reduce((sum, role) => sum + role.maxConcurrentActivities, 0);
  const onIdleError = (error: Error): void =>
    log.warn({ reason: error.message }, 'a connection to Postgres broke');
  const cold = openCold({
    url: config.PILOTLIGHT_COLD_URL,
    size: Math.min(busy, COLD_CONNECTIONS_MAX),
    name: options.name,
    onIdleError,
  });
  const hot = openHotFunctions({
    url: config.PILOTLIGHT_HOT_URL,
    size: HOT_CONNECTIONS_MAX,
    name: options.name,
    onIdleError,
  });
  const agents = createJsonClient(config.PILOTLIGHT_AGENT_TOKEN);
  const api = createJsonClient(config.PILOTLIGHT_API_TOKEN);
  const temporal = openClient(temporalAddress(config));
  return {
    cold,
    hot,
    agents,
    api,
    apiUrls: config.PILOTLIGHT_API_URLS,
    temporal,
    log,
    draining,
    now: Date.now,
    config,
    async close() {
      agents.close();
      api.close();
      await Promise.all([cold.close(), hot.close(), temporal.connection.close()]);
    },
  };
}
