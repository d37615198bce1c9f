/**
 * Real host agents on a real volume, in processes of their own, started from the sources. A guard
 * holds a pipe from the test: however that ends, the volume is removed, and with it every agent and
 * its Postgres end by themselves.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ownUser, resolvePostgres } from '../../host/prepare.ts';
import { processesIn, signal } from '../../host/processes.ts';
import { volumePaths } from '../../host/volume.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { hashToken } from '../../lib/tokens.ts';
import { AppError } from '../../model/errors.ts';
import { type Identity, type NewIdentity } from '../../model/identity.ts';
import { databaseIdOf } from '../../model/ids.ts';
import type { Address, AgentEvent, HostReport, Incarnation } from '../../model/wire.ts';

const HOOKS = pathToFileURL(join(PACKAGE_ROOT, 'test/support/typescript-hooks.mjs')).href;
const REGISTER = `data:text/javascript,import { register } from 'node:module'; register('${HOOKS}');`;
const TOKEN = 'token of a test';
/** Where nothing listens: these agents live without an api. */
const NO_API = 'http://127.0.0.1:1';
const READY_MS_MAX = 30_000;

/** Waits until `look` answers something, and answers that. @throws after `ms`, naming `what`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 15_000,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}

export interface HostOptions {
  readonly host?: string;
  readonly slots?: string;
  readonly lock?: 'on' | 'off';
  readonly api?: string;
}

export interface Host {
  readonly id: string;
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  readonly log: () => string;
  /** POST /v1/<verb>. @throws AppError as the agent's. */
  readonly post: <T>(verb: string, body: unknown) => Promise<T>;
  readonly get: <T>(path: string) => Promise<T>;
  readonly put: <T>(path: string, body: unknown) => Promise<T>;
  readonly remove: <T>(path: string) => Promise<T>;
  readonly state: () => Promise<HostReport>;
  readonly attach: (database: string, epoch: number, slot?: number) => Promise<Incarnation>;
  readonly create: (
    database: string,
    slot?: number,
    over?: Partial<Identity>,
  ) => Promise<Incarnation>;
  /** SIGKILL, and waits for the end. */
  readonly kill: () => Promise<void>;
}

export interface Stage {
  readonly root: string;
  readonly volume: ReturnType<typeof volumePaths>;
  readonly startHost: (options?: HostOptions) => Promise<Host>;
  /** Pids of the processes of a directory. */
  readonly processes: (directory: string) => Promise<number[]>;
  readonly events: (host: string) => Promise<AgentEvent[]>;
  readonly remove: () => Promise<void>;
}

export const newDatabase = (): string => databaseIdOf(randomBytes(13));

export const newIdentity = (id: string, over: Partial<Identity> = {}): NewIdentity => ({
  id,
  tenant: 'acme',
  size: 'small',
  roles: { owner: { verifiers: [] } },
  idle_ms: 300_000,
  idle_sessions: 'close',
  ignore: [],
  allow: [],
  tls: 'optional',
  limits: {},
  labels: {},
  created_at: '2026-11-23T00:00:00.000Z',
  deleted_at: null,
  ...over,
});

/** A session as a tenant's role (or as the agent's), over the incarnation's socket. */
export async function session(address: Address, user = 'owner'): Promise<pg.Client> {
  const client = new pg.Client({
    host: address.socket,
    port: address.port,
    user,
    database: 'main',
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Runs statements as the tenant, one session for all. @returns the rows of the last. */
export async function query(
  address: Address,
  ...texts: readonly string[]
): Promise<Record<string, unknown>[]> {
  const client = await session(address);
  try {
    let rows: Record<string, unknown>[] = [];
    for (const text of texts) ({ rows } = await client.query(text));
    return rows;
  } finally {
    await client.end();
  }
}

/** The code that a call is refused with. @throws if it is not refused. */
export async function refusal(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

function environment(stage: { root: string; pg: string }, options: HostOptions, port: number) {
  const host = options.host ?? 'host-1';
  return childEnvironment({
    PILOTLIGHT_HOST_ID: host,
    PILOTLIGHT_HOST_URL: `http://127.0.0.1:${port}`,
    PILOTLIGHT_PORT: String(port),
    PILOTLIGHT_VOLUME: join(stage.root, 'volume'),
    PILOTLIGHT_RUN: join(stage.root, `run-${host}`),
    PILOTLIGHT_PG: stage.pg,
    PILOTLIGHT_SLOTS: options.slots ?? 'small=8',
    PILOTLIGHT_TOKENS: `operator=${hashToken(TOKEN)}`,
    PILOTLIGHT_API_URLS: options.api ?? NO_API,
    PILOTLIGHT_API_TOKEN: 'unused',
    PILOTLIGHT_LOCK: options.lock ?? 'on',
  });
}

async function startHost(stage: { root: string; pg: string }, options: HostOptions): Promise<Host> {
  const port = await freePort();
  const id = options.host ?? 'host-1';
  const args = ['--import', REGISTER, join(PACKAGE_ROOT, 'host/main.ts')];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment(stage, options, port),
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const client = createJsonClient(TOKEN);
  void ended.then(client.close);
  const url = `http://127.0.0.1:${port}`;
  const call = <T>(
    path: string,
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    body?: unknown,
  ): Promise<T> =>
    client.call<T>(`${url}${path}`, {
      method,
      timeoutMs: READY_MS_MAX,
      ...(body === undefined ? {} : { body }),
    });
  await until(
    `agent ${id} is ready`,
    async () => {
      if (child.exitCode !== null) throw new Error(`agent ${id} ended: ${said}`);
      return call('/readyz', 'GET').then(
        () => true,
        () => false,
      );
    },
    READY_MS_MAX,
  );
  // The test's own unix user comes in the place of the proxy's.
  const ident = join(stage.root, `run-${id}`, 'pg_ident.conf');
  await appendFile(ident, `proxy ${ownUser().name} /^(?!pilot$).*$\n`);
  const post = <T>(verb: string, body: unknown): Promise<T> => call(`/v1/${verb}`, 'POST', body);
  return {
    id,
    process: child,
    ended,
    log: () => said,
    post,
    get: (path) => call(path, 'GET'),
    put: (path, body) => call(path, 'PUT', body),
    remove: (path) => call(path, 'DELETE'),
    state: () => call('/v1/state', 'GET'),
    attach: (database, epoch, slot = 1) => post('attach', { database, epoch, size: 'small', slot }),
    create: (database, slot = 1, over = {}) =>
      post('create', {
        database,
        size: 'small',
        slot,
        source: 'clone',
        identity: newIdentity(database, over),
      }),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** However the test ends, its pipe does, and the folder is removed. */
const GUARD = `trap '' INT TERM HUP; cat >/dev/null; cd /; rm -rf "$1"; sleep 2; rm -rf "$1"`;

async function readEvents(folder: string): Promise<AgentEvent[]> {
  const { listSegments, parseSegment } = await import('../../host/segments.ts');
  const { readFile } = await import('node:fs/promises');
  const events: AgentEvent[] = [];
  for (const name of await listSegments(folder))
    events.push(...parseSegment(await readFile(join(folder, name), 'utf8')));
  return events;
}

/** Makes a volume for the agents of one test file. */
export async function createStage(): Promise<Stage> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'pl-host-')));
  await chmod(root, 0o711);
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', root], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  const folder = join(root, 'volume');
  await mkdir(folder, { mode: 0o711 });
  const volume = volumePaths(folder);
  const installation = await resolvePostgres(join(root, 'state'));
  const stage = { root, pg: installation.folder };
  const hosts: Host[] = [];

  async function killAll(): Promise<void> {
    await Promise.all(hosts.map((host) => host.kill()));
    const names = await readdir(volume.directories).catch(() => []);
    const data = new Set(names.map((name) => volume.directory(name).data));
    for (const pid of processesIn(data)) signal(pid, 'SIGKILL');
  }

  return {
    root,
    volume,
    async startHost(options = {}) {
      const host = await startHost(stage, options);
      hosts.push(host);
      return host;
    },
    processes: async (directory) =>
      processesIn(new Set([await realpath(volume.directory(directory).data)])),
    events: (host) => readEvents(volume.host(host).journal),
    async remove() {
      await killAll();
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
      guard.stdin.end();
    },
  };
}
