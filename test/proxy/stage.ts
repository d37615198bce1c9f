/** The stage for stack tests: a proxy, a double of the api, and one real tenant's Postgres. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { listen } from '../../lib/listen.ts';
import { createLogger } from '../../lib/log.ts';
import { createRegistry } from '../../lib/metrics.ts';
import { makeVerifier } from '../../lib/verifier.ts';
import { AppError } from '../../model/errors.ts';
import { databaseIdOf } from '../../model/ids.ts';
import { createProxy, type Proxy } from '../../proxy/server.ts';
import { readCertificate, type Certificate } from '../../proxy/tls.ts';
import { makeCertificate } from '../../dev/certificate.ts';
import { FAKE_TOKEN, startFakeApi, type FakeApi } from './fake-api.ts';
import { createTenant, type Tenant } from './tenant.ts';

export const PASSWORD = 'the right one';
export const OTHER_PASSWORD = 'the other right one';

export interface Stage {
  readonly api: FakeApi;
  readonly tenant: Tenant;
  readonly proxy: Proxy;
  readonly port: number;
  /** The one database; it sleeps at first. */
  readonly database: string;
  /** The epoch that runs, 0 while it sleeps. */
  readonly epoch: () => number;
  readonly client: (options?: Partial<pg.ClientConfig>) => pg.Client;
  readonly metrics: () => Promise<string>;
  /** Stops Postgres, as an agent that suspends. */
  readonly sleep: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** A certificate as `npm start` makes it. */
export function testCertificate(): { cert: string; key: string; certificate: Certificate } {
  const [from, to] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];
  const names = ['127.0.0.1', 'localhost', '*.pilotlight.localhost'];
  const made = makeCertificate({ commonName: 'test', names, from, to });
  return { ...made, certificate: readCertificate(made.cert, made.key) };
}

export interface StageOptions {
  readonly certificate?: () => Certificate;
  readonly holdMs?: number;
  readonly loginMs?: number;
  readonly newcomersMax?: number;
  readonly idleMs?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

const verifiers = (): Promise<string[]> => {
  const salt = randomBytes(16);
  return Promise.all([PASSWORD, OTHER_PASSWORD].map((word) => makeVerifier(word, salt, 4096)));
};

/** What an api and an agent do: the first start wakes, later ones join or find it running. */
function playApi(
  api: FakeApi,
  tenant: Tenant,
): { epoch: () => number; sleep: () => Promise<void> } {
  let epoch = 0;
  let running = false;
  let last = 0;
  api.onStart = async (_, body) => {
    if (running && (body.stale_epoch ?? 0) < epoch)
      return { state: 'running', epoch, address: tenant.addressOf(epoch), cold_start: 'running' };
    await tenant.stop();
    last = Math.max(last, body.stale_epoch ?? 0) + 1;
    const address = await tenant.start(last);
    epoch = last;
    running = true;
    return { state: 'running', epoch, address, cold_start: 'resume' };
  };
  const sleep = async (): Promise<void> => {
    running = false;
    await tenant.stop();
  };
  api.onSuspend = async (_, body) => {
    if (body.epoch !== epoch || !running) return { outcome: 'not_current' };
    await sleep();
    return { outcome: 'suspended' };
  };
  return { epoch: () => (running ? epoch : 0), sleep };
}

export async function createStage(options: StageOptions = {}): Promise<Stage> {
  const [api, tenant] = await Promise.all([startFakeApi(), createTenant(options.settings)]);
  const played = playApi(api, tenant);
  const database = databaseIdOf(randomBytes(13));
  const role = { verifiers: await verifiers() };
  api.access.set(database, {
    database,
    tenant: 'acme',
    version: 1,
    roles: { owner: role, tight: role },
    allow: [],
    tls: 'optional',
    idle_ms: options.idleMs ?? 60_000,
  });
  const registry = createRegistry('proxy');
  const proxy = createProxy({
    apiUrls: [api.url],
    apiToken: FAKE_TOKEN,
    fleetSecret: 'a secret of the fleet',
    holdMs: options.holdMs ?? 10_000,
    ...(options.loginMs === undefined ? {} : { loginMs: options.loginMs }),
    ...(options.newcomersMax === undefined ? {} : { newcomersMax: options.newcomersMax }),
    ...(options.certificate === undefined ? {} : { certificate: options.certificate }),
    registry,
    log: createLogger('proxy', 'error'),
  });
  await listen(proxy.server, 0, '127.0.0.1');
  const found = proxy.server.address();
  if (found === null || typeof found === 'string') throw new Error('no port');
  const { port } = found;
  return {
    api,
    tenant,
    proxy,
    port,
    database,
    epoch: played.epoch,
    client: (extra) => {
      const target = { host: '127.0.0.1', port, database, user: 'owner', password: PASSWORD };
      const client = new pg.Client({ ...target, ...extra });
      // A connection that the test breaks is not the test's failure.
      client.on('error', () => undefined);
      return client;
    },
    metrics: () => registry.metrics(),
    sleep: played.sleep,
    end: async () => {
      await proxy.drain(500);
      await api.down();
      await tenant.remove();
    },
  };
}

/** Connects, runs one statement, and ends. */
export async function ask(client: pg.Client, sql: string): Promise<unknown> {
  await client.connect();
  try {
    const result = await client.query({ text: sql, rowMode: 'array' });
    return (result.rows[0] as unknown[] | undefined)?.[0];
  } finally {
    await client.end();
  }
}

/** The error that a promise fails with. */
export async function failureOf(work: Promise<unknown>): Promise<pg.DatabaseError> {
  try {
    await work;
  } catch (error) {
    return error as pg.DatabaseError;
  }
  throw new Error('it did not fail');
}

export interface RawClient {
  readonly socket: Socket;
  /** Everything that came until the other side closed. */
  readonly all: () => Promise<Buffer>;
  /** Waits until so many bytes have come. */
  readonly bytes: (count: number) => Promise<Buffer>;
}

/** A client that says what the test makes it say. */
export async function rawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return listenTo(socket);
}

/** Collects what comes. */
function listenTo(socket: Socket): RawClient {
  let got = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => void (got = Buffer.concat([got, chunk]));
  socket.on('data', onData);
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once('end', () => resolve());
    socket.once('close', () => resolve());
  });
  return {
    socket,
    async all() {
      await closed;
      socket.destroy();
      return got;
    },
    async bytes(count) {
      while (got.length < count) {
        if (socket.readableEnded || socket.destroyed) throw new AppError('unavailable');
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return got;
    },
  };
}

export const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
export const GSSENC_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]);

/**
 * The same inside TLS.
 * @param how `asked`: by SSLRequest; `direct`: at once.
 * @throws what the handshake fails with
 */
export async function rawTlsClient(
  port: number,
  how: 'asked' | 'direct',
  options: ConnectionOptions = {},
): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  if (how === 'asked') {
    socket.write(SSL_REQUEST);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    if (answer.toString() !== 'S') throw new Error(`not S but ${answer.toString('latin1')}`);
  }
  const trusting = { rejectUnauthorized: false, allowHalfOpen: true };
  const secure = connectTls({ socket, ...trusting, ...options });
  await once(secure, 'secureConnect');
  return listenTo(secure);
}

/** Waits until something is true. */
export async function until(what: () => boolean | Promise<boolean>, msMax = 5_000): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error('it did not become true in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Breaks a client's connection off, wherever it stands. */
export function leave(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { stream: Socket } };
  connection.stream.destroy();
}
