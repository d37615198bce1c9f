/**
 * A Temporal server and a worker beside a stack of a bench, in the bench's own hand: nobody starts
 * them again when they are killed, so an outage lasts as long as it is to last.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCommand } from '../../dev/commands.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { openLog } from '../../dev/logs.ts';
import { BIND } from '../../dev/plan.ts';
import { portsFrom } from '../../dev/ports.ts';
import { waitReady } from '../../dev/ready.ts';
import { loadSecrets } from '../../dev/secrets.ts';
import { serverArguments } from '../../dev/temporal/server.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { createSealingKeys } from '../../lib/sealed-box.ts';

export interface ColdSide {
  readonly address: string;
  /** Starts the server (again, on the same file); it need not be ready when this returns. */
  readonly startServer: () => void;
  readonly startWorker: () => void;
  /** @throws ConfigError with the last line of the worker's log after 30 s. */
  readonly workerReady: () => Promise<void>;
  readonly signalServer: (signal: NodeJS.Signals) => void;
  /** SIGKILL to both, and waits until they are gone. */
  readonly stop: () => Promise<void>;
}

interface Process {
  readonly start: () => void;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly kill: () => Promise<void>;
}

type Environment = Readonly<Record<string, string>>;

function createProcess(command: readonly string[], env: Environment, logFile: string): Process {
  const [program = '', ...args] = command;
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const isRunning = (): boolean => child?.exitCode === null && child.signalCode === null;
  return {
    start() {
      if (isRunning()) return;
      const log = openLog(logFile);
      try {
        const started = spawn(program, args, {
          env: childEnvironment(env),
          stdio: ['ignore', log, log],
          detached: true,
        });
        ended = new Promise((resolve) => {
          started.once('exit', () => resolve());
          started.once('error', () => resolve());
        });
        child = started;
      } finally {
        closeSync(log);
      }
    },
    signal: (name) => void (isRunning() && child?.kill(name)),
    async kill() {
      if (isRunning()) child?.kill('SIGKILL');
      await ended;
    },
  };
}

/** @param program a `temporal` program. Nothing is started yet. */
export async function createColdSide(endpoints: Endpoints, program: string): Promise<ColdSide> {
  const { home, api, cold_url, hot_url, hosts, proxy } = endpoints;
  const ports = portsFrom(proxy.port, { hosts: hosts.length });
  const secrets = await loadSecrets(join(home, 'secrets.json'));
  const folder = join(home, 'temporal');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Whoever clears up after this bench finds them by it.
  const mark = { PILOTLIGHT_WATCH: join(home, 'id') };
  const as = (url: string, user: string, password: string): string => {
    const at = new URL(url);
    at.username = user;
    at.password = password;
    return at.href;
  };
  const address = `${BIND}:${ports.temporal}`;
  const logFile = join(home, 'logs/worker.log');
  const server = createProcess(
    [program, ...serverArguments(folder, ports, BIND)],
    mark,
    join(home, 'logs/temporal.log'),
  );
  const worker = createProcess(
    nodeCommand('workers/main.js', '--role', 'all'),
    {
      ...mark,
      PILOTLIGHT_METRICS_PORT: String(ports.workerHealth),
      PILOTLIGHT_API_URLS: api.url,
      PILOTLIGHT_API_TOKEN: secrets.api_token_cold,
      PILOTLIGHT_AGENT_TOKEN: secrets.agent_token_operator,
      PILOTLIGHT_HOT_URL: as(hot_url, 'pilotlight_cold', secrets.hot_cold_password),
      PILOTLIGHT_COLD_URL: as(cold_url, 'pilotlight_worker', secrets.cold_worker_password),
      PILOTLIGHT_SEALING_PUBLIC_KEY: createSealingKeys().publicKey,
      PILOTLIGHT_TEMPORAL_ADDRESS: address,
    },
    logFile,
  );
  return {
    address,
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
    async stop() {
      await Promise.all([server.kill(), worker.kill()]);
    },
  };
}
