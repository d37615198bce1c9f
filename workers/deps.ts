/** What factories of activities get. Made once per worker process by workers/main.ts. */
import type { Client } from '@temporalio/client';
import type { Cold } from '../db/cold/pool.ts';
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import type { JsonClient } from '../lib/json-client.ts';
import type { Logger } from '../lib/log.ts';
import type { WorkerConfig } from './config.ts';

export interface WorkerDeps {
  /** Cold Postgres, as role `pilotlight_worker`. */
  readonly cold: Cold;
  /** The SQL functions of hot Postgres that role `pilotlight_cold` may call. */
  readonly hot: HotFunctions;
  /** Calls host agents (scope operator), by the url that `hot.pool()` names. */
  readonly agents: JsonClient;
  /** Calls the api (scope cold). */
  readonly api: JsonClient;
  readonly apiUrls: readonly string[];
  /** Namespace `fleet`; for role dispatch, which starts workflows. */
  readonly temporal: Client;
  readonly log: Logger;
  /** Aborted when the process begins to stop: a long activity then answers what it has so far. */
  readonly draining: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly config: WorkerConfig;
}
