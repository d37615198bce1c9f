/**
 * A Temporal server and a worker beside a stack of a bench, in the bench's own hand: nobody starts
 * them again when they are killed, so an outage lasts as long as it is to last.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCommand } from '../../dev/commands.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { BIND } from '../../dev/plan.ts';
import { portsFrom } from '../../dev/ports.ts';
import { waitReady } from '../../dev/ready.ts';
import { loadSecrets } from '../../dev/secrets.ts';
import { serverArguments } from '../../dev/temporal/server.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { lowerPriority } from '../../lib/priority.ts';
import { createSealingKeys } from '../../lib/sealed-box.ts';
import { createProcess, type Environment } from './process.ts';

export interface ColdSide {
  readonly address: string;
  /** What every process of this stack is given, so that whoever clears up after the bench finds it. */
  readonly mark: Environment;
  /** Starts the server (again, on the same file); it need not be ready when this returns. */
  readonly startServer: () => void;
  readonly startWorker: () => void;
  /** @throws ConfigError with the last line of the worker's log after 30 s. */
  readonly workerReady: () => Promise<void>;
  readonly signalServer: (signal: NodeJS.Signals) => void;
  /** SIGKILL to the server, and waits until it is gone. */
  readonly killServer: () => Promise<void>;
  /** SIGKILL to both, and waits until they are gone. */
  readonly stop: () => Promise<void>;
}

export interface WorkerKind {
  /** The compiled main, and its words. */
  readonly main: readonly [string, ...string[]];
  /** Besides what the product's worker is told. */
  readonly env: Environment;
  /** Whether server and worker get less of the machine, as `npm start` gives them. */
  readonly lowered: boolean;
}

const PRODUCT: WorkerKind = { main: ['workers/main.js', '--role', 'all'], env: {}, lowered: true };

/** The address of a control server for one of its services' roles. */
function as(url: string, user: string, password: string): string {
  const at = new URL(url);
  at.username = user;
  at.password = password;
  return at.href;
}

/** @param program a `temporal` program. Nothing is started yet. */
export async function createColdSide(
  endpoints: Endpoints,
  program: string,
  kind: WorkerKind = PRODUCT,
): Promise<ColdSide> {
  const { home, api, cold_url, hot_url, hosts, proxy } = endpoints;
  const ports = portsFrom(proxy.port, { hosts: hosts.length });
  const secrets = await loadSecrets(join(home, 'secrets.json'));
  const folder = join(home, 'temporal');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mark = { PILOTLIGHT_WATCH: join(home, 'id') };
  const address = `${BIND}:${ports.temporal}`;
  const logFile = join(home, 'logs/worker.log');
  const started = (pid: number): void => {
    if (kind.lowered) lowerPriority(pid);
  };
  const server = createProcess({
    command: [program, ...serverArguments(folder, ports, BIND)],
    env: mark,
    logFile: join(home, 'logs/temporal.log'),
    started,
  });
  const worker = createProcess({
    command: nodeCommand(...kind.main),
    env: {
      ...mark,
      PILOTLIGHT_METRICS_PORT: String(ports.workerHealth),
      PILOTLIGHT_API_URLS: api.url,
      PILOTLIGHT_API_TOKEN: secrets.api_token_cold,
      PILOTLIGHT_AGENT_TOKEN: secrets.agent_token_operator,
      PILOTLIGHT_HOT_URL: as(hot_url, 'pilotlight_cold', secrets.hot_cold_password),
      PILOTLIGHT_COLD_URL: as(cold_url, 'pilotlight_worker', secrets.cold_worker_password),
      PILOTLIGHT_SEALING_PUBLIC_KEY: createSealingKeys().publicKey,
      PILOTLIGHT_TEMPORAL_ADDRESS: address,
      ...kind.env,
    },
    logFile,
    started,
  });
  return {
    address,
    mark,
    startServer: server.start,
    startWorker: worker.start,
    async workerReady() {
      const client = createJsonClient('');
      try {
        const url = `http://${BIND}:${ports.workerHealth}`;
        const { signal } = new AbortController();
        await waitReady(client, { name: 'worker', url, logFile, signal });
      } finally {
        client.close();
      }
    },
    signalServer: server.signal,
    killServer: server.kill,
    async stop() {
      await Promise.all([server.kill(), worker.kill()]);
    },
  };
}
