/**
 * An api on a hot Postgres of the bench's own, with simulated hosts in a process of their own: the
 * product's processes over HTTP, without any Postgres of tenants.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCommand } from '../dev/commands.ts';
import { waitReady } from '../dev/ready.ts';
import { childEnvironment } from '../lib/environment.ts';
import { freePort } from '../lib/free-port.ts';
import { createJsonClient } from '../lib/http-client.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { hashToken } from '../lib/tokens.ts';
import type { CreateAnswer } from '../model/wire.ts';
import type { HotServer } from './hot-server.ts';

const BIND = '127.0.0.1';
/** For the processes of one bench, on this machine, while it lasts. */
export const BENCH_TOKEN = 'only-for-benches';
/** A proxy's: an operator's starts are forced, one by one, while demand's go together. */
export const PROXY_TOKEN = 'only-for-proxies-of-benches';
const CALL_MS = 30_000;
/** Of the databases that `create` makes, by chance. */
export const SIM_TENANTS = Array.from({ length: 16 }, (_, n) => `bench-${n}`);
/** Below the range from which the kernel takes ports of clients. */
const SIM_PORT_MIN = 24_000;
const SIM_PORT_SPAN = 4_000;

export interface SimFleet {
  readonly apiUrl: string;
  readonly client: JsonClient;
  /** Makes a sleeping database. @returns its id. */
  readonly create: () => Promise<string>;
}

export interface SimFleetOptions {
  /** The hot database, by the api's role. */
  readonly hotUrl: string;
  readonly hosts: number;
  readonly slots: number;
  readonly signal: AbortSignal;
}

interface Started {
  readonly child: ChildProcess;
  readonly logFile: string;
}

function start(
  server: HotServer,
  name: string,
  main: string,
  env: Readonly<Record<string, string>>,
): Started {
  const logFile = join(server.folder, `${name}.log`);
  const log = openSync(logFile, 'a', 0o600);
  const [program = '', ...args] = nodeCommand(main);
  const common = {
    PILOTLIGHT_BIND: BIND,
    PILOTLIGHT_LOG_LEVEL: 'warn',
    PILOTLIGHT_WATCH: join(server.folder, 'watch'),
  };
  const child = spawn(program, args, {
    env: childEnvironment({ ...common, ...env }),
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  return { child, logFile };
}

/** One caller who may do all that is done here, and one who stands for the proxies. */
async function writeCallers(folder: string): Promise<string> {
  const file = join(folder, 'callers.json');
  const scopes = ['operator', 'host', 'create'];
  const callers = [
    { name: 'bench', scopes, sha256: [hashToken(BENCH_TOKEN)] },
    { name: 'proxy', scopes: ['proxy'], sha256: [hashToken(PROXY_TOKEN)] },
  ];
  await writeFile(file, JSON.stringify({ callers }), { mode: 0o600 });
  return file;
}

async function end({ child }: Started): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

export interface StartedApi {
  readonly url: string;
  readonly pid: number;
  readonly logFile: string;
  readonly end: () => Promise<void>;
}

/** @param hotUrl the hot database, by the api's role. */
export async function startApi(server: HotServer, hotUrl: string): Promise<StartedApi> {
  const port = await freePort();
  const started = start(server, 'api', 'api/main.js', {
    PILOTLIGHT_PORT: String(port),
    PILOTLIGHT_HOT_URL: hotUrl,
    PILOTLIGHT_TOKENS_FILE: await writeCallers(server.folder),
    PILOTLIGHT_AGENT_TOKEN: BENCH_TOKEN,
    PILOTLIGHT_FLEET_SECRET: BENCH_TOKEN,
    PILOTLIGHT_PROXY_ADDRESS: `${BIND}:1`,
  });
  const { child, logFile } = started;
  return { url: `http://${BIND}:${port}`, pid: child.pid ?? 0, logFile, end: () => end(started) };
}

/** Starts both, waits until the api serves, and lends it. */
export async function withSimFleet<T>(
  server: HotServer,
  options: SimFleetOptions,
  work: (fleet: SimFleet) => Promise<T>,
): Promise<T> {
  const simPort = SIM_PORT_MIN + Math.floor(Math.random() * SIM_PORT_SPAN);
  const client = createJsonClient(BENCH_TOKEN);
  const api = await startApi(server, options.hotUrl);
  const apiUrl = api.url;
  const sim = start(server, 'sim', 'host/sim-main.js', {
    PILOTLIGHT_PORT: String(simPort),
    PILOTLIGHT_HOST_ID: 'sim',
    PILOTLIGHT_SIM_HOSTS: String(options.hosts),
    PILOTLIGHT_SLOTS: `small=${options.slots}`,
    PILOTLIGHT_TOKENS: `api=${hashToken(BENCH_TOKEN)}`,
    PILOTLIGHT_API_URLS: apiUrl,
    PILOTLIGHT_API_TOKEN: BENCH_TOKEN,
  });
  try {
    const { signal } = options;
    await waitReady(client, { name: 'api', url: apiUrl, logFile: api.logFile, signal });
    return await work({
      apiUrl,
      client,
      async create() {
        const tenant = SIM_TENANTS[Math.floor(Math.random() * SIM_TENANTS.length)];
        const body = { tenant, idle_ms: 3_600_000 };
        const url = `${apiUrl}/v1/databases`;
        const made = await client.call<CreateAnswer>(url, { body, timeoutMs: CALL_MS });
        const suspend = { body: { epoch: made.epoch }, timeoutMs: CALL_MS };
        await client.call(`${url}/${made.id}/suspend`, suspend);
        return made.id;
      },
    });
  } finally {
    client.close();
    await Promise.all([api.end(), end(sim)]);
  }
}
