/**
 * How small the api is: from the start of its process until `/readyz` says served, its memory once
 * it knows 100,000 running databases, and what it loads. The hosts that report them are simulated.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { waitReady } from '../dev/ready.ts';
import { createJsonClient } from '../lib/http-client.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { PACKAGE_ROOT } from '../lib/root.ts';
import { SYNC_MS } from '../model/limits.ts';
import type { HostReport, RouteAnswer } from '../model/wire.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Bench, BenchOptions, BenchResult } from './harness.ts';
import { benchDatabaseId, fillIndex, type BenchHost } from './hot-rows.ts';
import { withClient, withHotServer, type HotServer } from './hot-server.ts';
import { BENCH_TOKEN, startApi, type StartedApi } from './sim-fleet.ts';
import { median } from './stats.ts';

const STARTS = 5;
const DATABASES = 100_000;
const HOSTS = 100;
/** Rounds of reports before its memory is read: it is to be that of a process that has worked. */
const ROUNDS = 10;
const CALL_MS = 30_000;
/** Bounds of the issue. */
const READY_S_MAX = 1;
const RSS_MB_MAX = 150;

const hosts: readonly BenchHost[] = Array.from({ length: HOSTS }, (_, i) => ({
  host: `host-${i + 1}`,
  slots: DATABASES / HOSTS,
}));

/** What an agent says that runs a database in each of its slots. */
function reportOf(index: number, { host, slots }: BenchHost, version: number): HostReport {
  return {
    host,
    url: 'http://127.0.0.1:1',
    boot: 2,
    version,
    capacity: { small: slots },
    slots: Array.from({ length: slots }, (_, i) => ({
      size: 'small' as const,
      slot: i + 1,
      state: 'running' as const,
      directory: 'a'.repeat(16),
      epoch: 1,
      database: benchDatabaseId(index * slots + i),
      address: { socket: `/run/pilotlight/bench/${index}.${i}`, port: 5432 },
    })),
    volume: { id: 'v', kind: 'shared', free_bytes: 1, total_bytes: 1 },
  };
}

async function report(client: JsonClient, url: string, index: number, version: number) {
  const host = hosts[index];
  if (host === undefined) throw new Error('BUG: no such host');
  const body = reportOf(index, host, version);
  await client.call(`${url}/v1/hosts/${host.host}/sync`, { body, timeoutMs: CALL_MS });
}

async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

async function loads(): Promise<{ readonly lines: number; readonly packages: number }> {
  const hooks = pathToFileURL(join(PACKAGE_ROOT, 'test/support/typescript-hooks.mjs')).href;
  const register = `import { register } from 'node:module'; register('${hooks}');`;
  const program = join(PACKAGE_ROOT, 'test/support/print-closure.ts');
  const args = ['--import', `data:text/javascript,${register}`, program, 'api/main.ts'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: PACKAGE_ROOT });
  return JSON.parse(stdout) as { lines: number; packages: number };
}

/** Runs the api until `work` is done with it; it is ready by then, a host having reported as agents do. */
async function withApi<T>(
  server: HotServer,
  hotUrl: string,
  signal: AbortSignal,
  work: (api: StartedApi, client: JsonClient) => Promise<T>,
): Promise<T> {
  const client = createJsonClient(BENCH_TOKEN);
  const api = await startApi(server, hotUrl);
  let waiting = true;
  const reporting = (async () => {
    while (waiting) {
      await report(client, api.url, 0, 1).catch(() => undefined);
      await delay(SYNC_MS / 20);
    }
  })();
  try {
    const { url, logFile } = api;
    await waitReady(client, { name: 'api', url, logFile, signal });
    waiting = false;
    return await work(api, client);
  } finally {
    waiting = false;
    await reporting;
    client.close();
    await api.end();
  }
}

/** @returns its resident memory in MB once it knows them all, and has been told of changes for a while. */
async function memoryOf(api: StartedApi, client: JsonClient, signal: AbortSignal): Promise<number> {
  for (let version = 2; version <= ROUNDS; version++)
    for (let index = 0; index < HOSTS; index++) {
      if (signal.aborted) throw new ConfigError('stopped');
      await report(client, api.url, index, version);
    }
  // One of each host: the answer `running` comes from memory alone.
  for (let n = 0; n < DATABASES; n += DATABASES / HOSTS) {
    const url = `${api.url}/v1/databases/${benchDatabaseId(n)}/route`;
    const { state } = await client.call<RouteAnswer>(url, { timeoutMs: CALL_MS });
    if (state !== 'running') throw new ConfigError(`the api does not know ${benchDatabaseId(n)}`);
  }
  return rssOf(api.pid);
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { signal } = options;
  return withHotServer(async (server) => {
    const database = await server.create('footprint');
    options.say(`filling the index with ${DATABASES} databases on ${HOSTS} simulated hosts`);
    await withClient(database.adminUrl, (client) => fillIndex(client, DATABASES, hosts));
    const ready: number[] = [];
    for (let i = 0; i < (options.times ?? STARTS); i++) {
      const began = performance.now();
      const taken = withApi(server, database.apiUrl, signal, async () => performance.now() - began);
      ready.push((await taken) / 1_000);
    }
    options.say('telling an api of all of them, as running');
    const rss_mb = await withApi(server, database.apiUrl, signal, (api, client) =>
      memoryOf(api, client, signal),
    );
    const ready_s = median(ready);
    const good = ready_s <= READY_S_MAX && rss_mb <= RSS_MB_MAX;
    return {
      samples: { ready_ms: ready.map((s) => s * 1_000) },
      figures: { ready_s, rss_mb, ...(await loads()), databases: DATABASES },
      ...(good ? {} : { broken: `ready within ${READY_S_MAX} s and ${RSS_MB_MAX} MB` }),
    };
  });
}

export const footprint: Bench = { name: 'footprint', what: 'how small the api is', run };
