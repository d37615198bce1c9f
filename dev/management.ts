/**
 * Temporal and the workers of `npm start`: found or made in the background once the hot path is
 * ready, at low priority, and stopped first. Whatever goes wrong here is one line; nothing hot
 * notices.
 */
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { readManagementConfig } from '../lib/config-management.ts';
import { ConfigError } from '../lib/config-error.ts';
import { replaceFile } from '../lib/files.ts';
import type { JsonClient } from '../lib/json-client.ts';
import type { Way } from '../lib/priority.ts';
import {
  apiUrl,
  common,
  controlUrl,
  nodeCommand,
  startable,
  type Environment,
  type Plan,
} from './commands.ts';
import type { Endpoints } from './endpoints.ts';
import { checkPorts, managementPorts } from './ports.ts';
import { tokenHashes } from './secrets.ts';
import { lowered, type Startable, type Supervisor } from './supervisor.ts';
import { madeBy, madeByFile, type Binary } from './temporal/binary.ts';
import { findOrMake } from './temporal/find.ts';
import { serverArguments } from './temporal/server.ts';

/** What a stop may take of the runner's ten seconds. */
const WORKER_STOP_MS = 2_500;
const SERVER_STOP_MS = 1_500;
const LOOK_MS = 250;
const CALL_MS = 1_000;

export interface ManagementOptions {
  readonly plan: Plan;
  readonly supervisor: Supervisor;
  readonly client: JsonClient;
  readonly say: (line: string) => void;
}

export type ManagementReady = NonNullable<Endpoints['management']>;

export interface Management {
  /** undefined if there is none: stopped before, or no server is to be had (said in one line). */
  readonly ready: Promise<ManagementReady | undefined>;
  /** Ends the worker, then the server. */
  readonly stop: () => Promise<void>;
}

const folderOf = (plan: Plan): string => plan.home.file('temporal');

function serverCommand(plan: Plan, binary: Binary): Startable {
  const command = [binary.path, ...serverArguments(folderOf(plan), plan.ports, plan.bind)];
  return lowered(startable(plan, 'temporal', command, common(plan)));
}

function workerCommand(plan: Plan, address: string, done: (way: Way) => void): Startable {
  const env: Environment = {
    ...common(plan),
    PILOTLIGHT_METRICS_PORT: String(plan.ports.workerHealth),
    PILOTLIGHT_WORKER_METRICS_PORT: String(plan.ports.workerMetrics),
    PILOTLIGHT_API_URLS: apiUrl(plan),
    PILOTLIGHT_API_TOKEN: plan.secrets.api_token_cold,
    PILOTLIGHT_AGENT_TOKEN: plan.secrets.agent_token_operator,
    PILOTLIGHT_HOT_URL: controlUrl(plan, 'hot', 'cold'),
    PILOTLIGHT_COLD_URL: controlUrl(plan, 'cold', 'worker'),
    PILOTLIGHT_TEMPORAL_ADDRESS: address,
    PILOTLIGHT_SEALING_PUBLIC_KEY: plan.sealing.publicKey,
  };
  const command = nodeCommand('workers/main.js', '--role', 'all');
  return lowered(startable(plan, 'worker', command, env), done);
}

function consoleCommand(plan: Plan): Startable {
  return startable(plan, 'console', nodeCommand('console/main.js'), {
    ...common(plan),
    PILOTLIGHT_PORT: String(plan.ports.console),
    PILOTLIGHT_COLD_URL: controlUrl(plan, 'cold', 'console'),
    PILOTLIGHT_TOKENS: tokenHashes(plan.secrets, 'console'),
    PILOTLIGHT_SEALING_KEY_FILE: plan.sealing.keyFile,
  });
}

/** Waits as long as it takes: the supervisor says when a process ends, and starts it again. */
async function waitForWorker(client: JsonClient, url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const ready = await client.call(`${url}/readyz`, { timeoutMs: CALL_MS }).then(
      () => true,
      () => false,
    );
    if (ready) return;
    await delay(LOOK_MS);
  }
}

/** Before the first start on a new state file: who makes it. */
async function recordMaker(folder: string, binary: Binary): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await madeBy(folder)) !== undefined) return;
  await replaceFile(madeByFile(folder), `${JSON.stringify({ server: binary.server })}\n`, 0o600);
}

function consoleOf({ bind, ports, secrets }: Plan): ManagementReady['console'] {
  return {
    url: `http://${bind}:${ports.console}`,
    tokens: {
      operator: secrets.console_token_operator,
      passwords: secrets.console_token_passwords,
    },
  };
}

export function startManagement(options: ManagementOptions): Management {
  const { plan, supervisor, client, say } = options;
  const stopping = new AbortController();
  const { signal } = stopping;

  /** A server of ours. @returns undefined if there is none to be had. */
  async function provideServer(): Promise<Binary | undefined> {
    const folder = folderOf(plan);
    const marks = { PILOTLIGHT_WATCH: plan.home.watch };
    const { PILOTLIGHT_TEMPORAL_PROGRAM: given } = readManagementConfig([
      'PILOTLIGHT_TEMPORAL_PROGRAM',
    ]);
    const found = await findOrMake({ folder, given, marks, say, signal });
    if (signal.aborted) return undefined;
    if ('why' in found) {
      say(`management waits, for want of a Temporal server: ${found.why}`);
      return undefined;
    }
    say(`Temporal server ${found.server} (${found.from}): starting it`);
    await recordMaker(folder, found);
    await supervisor.start(serverCommand(plan, found));
    return found;
  }

  async function start(): Promise<ManagementReady | undefined> {
    const config = readManagementConfig(['PILOTLIGHT_TEMPORAL_ADDRESS', 'TEMPORAL_ADDRESS']);
    const given = config.PILOTLIGHT_TEMPORAL_ADDRESS || config.TEMPORAL_ADDRESS;
    await checkPorts(managementPorts(plan.ports), plan.bind);
    // It needs cold Postgres alone, so it does not wait for a Temporal server.
    await supervisor.start(consoleCommand(plan));
    const binary = given === '' ? await provideServer() : undefined;
    if (given === '' && binary === undefined) return undefined;
    const address = given === '' ? `${plan.bind}:${plan.ports.temporal}` : given;
    const healthUrl = `http://${plan.bind}:${plan.ports.workerHealth}`;
    let said = false;
    const done = (way: Way): void => {
      if (!said) say(`management takes what the hot path leaves, by ${way}`);
      said = true;
    };
    await supervisor.start(workerCommand(plan, address, done));
    await waitForWorker(client, healthUrl, signal);
    if (signal.aborted) return undefined;
    return {
      address,
      ui_url: given === '' ? `http://${plan.bind}:${plan.ports.temporalUi}` : null,
      worker_health_url: healthUrl,
      console: consoleOf(plan),
      program: binary?.path ?? null,
    };
  }

  const ready = start().catch((error: unknown) => {
    const why = error instanceof ConfigError ? error.message : String(error);
    if (!signal.aborted) say(`management can not be started: ${why}`);
    return undefined;
  });

  async function stop(): Promise<void> {
    stopping.abort();
    await ready;
    await Promise.all([
      supervisor.stop('worker', 'SIGTERM', WORKER_STOP_MS),
      supervisor.stop('console', 'SIGTERM', WORKER_STOP_MS),
    ]);
    await supervisor.stop('temporal', 'SIGTERM', SERVER_STOP_MS);
  }
  return { ready, stop };
}
