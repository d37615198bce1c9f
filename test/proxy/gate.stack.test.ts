/**
 * Databases of another machine: a real stack whose second proxy has no gate of its own, so that it reaches
 * everything through the first one's; and strangers at that gate.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTcp, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type ConnectionOptions,
} from 'node:tls';
import pg from 'pg';
import { through } from '../../bench/chaos/clients.ts';
import { connect, postgresErrorOf } from '../../db/client.ts';
import { makeCertificate } from '../../dev/certificate.ts';
import { homePaths, runFolderOf } from '../../dev/home.ts';
import { BIND } from '../../dev/plan.ts';
import { findPortBase } from '../../dev/ports.ts';
import { startStack, type Stack } from '../../dev/stack.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CreateAnswer, DatabaseDetail } from '../../model/wire.ts';
import { dial } from '../../proxy/backend.ts';
import { createPeers, GATE_ALPN } from '../../proxy/peers.ts';

const HOSTS = 2;
const DAY_MS = 24 * 3_600_000;

const certificateOf = (commonName: string, names: readonly string[]) =>
  makeCertificate({
    ...{ commonName, names, forClients: true },
    ...{ from: new Date(Date.now() - DAY_MS), to: new Date(Date.now() + DAY_MS) },
  });
const near = certificateOf('near', ['localhost']);
const far = certificateOf('far', ['far.example']);
const stranger = certificateOf('stranger', ['localhost']);

let folder: string;
let stack: Stack;
let gatePort: number;
let call: <T>(path: string, body?: object) => Promise<T>;
let runs: readonly string[];

async function filesOf(name: string, { cert, key }: typeof near) {
  const paths = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  await writeFile(paths.cert, cert);
  // Of a folder that lets everybody in: the proxy is another user.
  await writeFile(paths.key, key);
  return { PILOTLIGHT_GATE_CERT: paths.cert, PILOTLIGHT_GATE_KEY: paths.key };
}

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'pl-gate-')));
  await chmod(folder, 0o711);
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, near.cert + far.cert);
  const home = join(folder, 'home');
  await mkdir(home);
  runs = Array.from({ length: HOSTS }, (_, at) => runFolderOf(homePaths(home), at + 1));
  gatePort = await freePort();
  const gate = { PILOTLIGHT_GATE: `localhost:${gatePort}` };
  stack = await startStack({
    ...{ home, hosts: HOSTS, proxies: 2, warm: 0, temporary: true, say: () => undefined },
    portBase: await findPortBase(HOSTS, BIND),
    settings: { PILOTLIGHT_SLOTS: 'small=1', PILOTLIGHT_GATE_CA: ca },
    own: {
      'host-1': gate,
      'host-2': gate,
      proxy: {
        ...gate,
        ...(await filesOf('near', near)),
        PILOTLIGHT_GATE_BIND: BIND,
        PILOTLIGHT_GATE_RUN: runs.join(),
      },
      'proxy-2': await filesOf('far', far),
    },
  });
  const { url, tokens } = stack.endpoints.api;
  const client = createJsonClient(tokens['operator'] ?? '');
  call = (path, body) =>
    client.call(`${url}/v1/databases${path}`, { timeoutMs: 20_000, ...(body && { body }) });
}, 60_000);
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

const ports = () => stack.endpoints.proxy.ports;
const fromFar = (url: string) => through(url, ports()[1] ?? 0);
const fromNear = (url: string) => through(url, ports()[0] ?? 0);
const create = (over: object = {}) => call<CreateAnswer>('', { tenant: 'acme', ...over });

async function suspend(id: string): Promise<void> {
  const { epoch } = await call<DatabaseDetail>(`/${id}?awake=false`);
  await call(`/${id}/suspend`, { epoch });
}

async function ask(url: string, text: string): Promise<unknown> {
  const client = await connect(url);
  try {
    return (await client.query(text)).rows[0]?.[0];
  } finally {
    await client.end();
  }
}

/** CancelRequest, as a driver sends it. */
async function cancel(port: number, { pid, secret }: { pid: number; secret: number }) {
  const packet = Buffer.alloc(16);
  [16, 80877102, pid, secret].forEach((n, i) => packet.writeInt32BE(n, i * 4));
  const socket = connectTcp(port, BIND);
  socket.end(packet);
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

describe('a database of another machine', () => {
  test('wakes, answers much, and hears a cancel', async () => {
    const made = await create();
    await suspend(made.id);
    const url = fromFar(made.connection_string);
    expect(await ask(url, `select repeat('x', 5000000)`)).toHaveLength(5_000_000);
    const { address } = await call<{ address: { socket: string } }>(`/${made.id}/route`);
    expect(address.socket).toMatch(new RegExp(`^tls://localhost:${gatePort}/`));
    const client = new pg.Client(url);
    await client.connect();
    const sleeping = client.query('select pg_sleep(20)').catch((error: unknown) => error);
    await pause(200);
    const { processID: pid, secretKey: secret } = client as unknown as Record<string, number>;
    // The other one, which has no such session.
    await cancel(ports()[0] ?? 0, { pid: pid ?? 0, secret: secret ?? 0 });
    expect(postgresErrorOf(await sleeping)?.code).toBe('57014');
    await client.end();
    await suspend(made.id);
  }, 60_000);

  test('is entered by roles of SQL, and its sessions are named', async () => {
    const made = await create();
    const client = await connect(fromFar(made.connection_string), { applicationName: 'far' });
    await client.query(`create role app login password 'secret'`);
    const url = new URL(fromFar(made.connection_string));
    Object.assign(url, { username: 'app', password: 'secret' });
    expect(await ask(url.toString(), 'select current_user')).toBe('app');
    await client.query('drop role app');
    await expect(ask(url.toString(), 'select 1')).rejects.toMatchObject({ code: '28P01' });
    const source = async () =>
      (await call<DatabaseDetail>(`/${made.id}`)).awake?.sessions?.find(
        (session) => session.application_name === 'far',
      )?.source;
    for (let n = 0; n < 100 && (await source()) !== BIND; n++) await pause(50);
    expect(await source()).toBe(BIND);
    await client.end();
    await suspend(made.id);
  }, 60_000);

  test('is waited for while its gate is started anew, and not taken for dead', async () => {
    const made = await create();
    const url = fromFar(made.connection_string);
    await ask(url, 'select 1');
    await stack.hold('proxy');
    const asked = ask(url, 'select 1');
    await pause(500);
    await stack.release('proxy');
    expect(await asked).toBe(1);
    expect((await call<DatabaseDetail>(`/${made.id}`)).epoch).toBe(made.epoch);
    await suspend(made.id);
  }, 60_000);

  test('is never another, while three take turns in two slots of two hosts', async () => {
    const names = ['a', 'b', 'c'];
    const all: { name: string; made: CreateAnswer; visits: number }[] = [];
    for (const name of names) {
      const made = await create({ idle_ms: 0 });
      await ask(fromNear(made.connection_string), `create table me as select '${name}' as name`);
      all.push({ name, made, visits: 0 });
    }
    const until = Date.now() + 8_000;
    const visit = async (one: (typeof all)[number], by: (url: string) => string) => {
      while (Date.now() < until) {
        try {
          expect(await ask(by(one.made.connection_string), 'select name from me')).toBe(one.name);
          one.visits += 1;
        } catch (error) {
          // No slot was free for long, or it was just put to sleep.
          if (!['57P03', '53300', '57P01'].includes(postgresErrorOf(error)?.code ?? ''))
            throw error;
        }
        await pause(Math.random() * 30);
      }
    };
    await Promise.all(
      all.flatMap((one) => [visit(one, fromFar), visit(one, fromFar), visit(one, fromNear)]),
    );
    // Each many times, so that two of them have taken turns in one slot at least.
    for (const { visits } of all) expect(visits).toBeGreaterThan(10);
  }, 60_000);
});

test('a proxy says nothing to a gate of another name', async () => {
  const heard: Buffer[] = [];
  const impostor = createTlsServer({ ...stranger, ALPNProtocols: [GATE_ALPN] }, (peer) => {
    peer.on('data', (bytes: Buffer) => heard.push(bytes));
    peer.on('error', () => undefined);
  });
  impostor.listen(0, BIND);
  await once(impostor, 'listening');
  const { port } = impostor.address() as AddressInfo;
  for (const [ca, gate, code] of [
    [near.cert, `localhost:${port}`, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [stranger.cert, `127.0.0.1:${port}`, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const) {
    const context = createSecureContext({ ...far, ca });
    const peers = createPeers({ own: '', context: () => context });
    const address = { socket: `tls://${gate}/run/a.1`, port: 5432 };
    const startup = Buffer.from('a start-up packet');
    const { signal } = new AbortController();
    expect(await dial({ peers, address, startup, timeoutMs: 5_000, signal })).toEqual({
      kind: 'unfit',
      why: `the gate ${gate}: ${code}`,
    });
    const socket = peers.connect({ gate, path: '/run/a.1/.s.PGSQL.5432' });
    socket.write('a start-up packet');
    const [error] = (await once(socket, 'error').catch((e: unknown) => [e])) as [Error];
    expect(error).toMatchObject({ code });
    await pause(100);
  }
  expect(heard).toEqual([]);
  impostor.close();
}, 20_000);

test('a stranger is not let in, and a gate leads nowhere else', async () => {
  const knock = (options: ConnectionOptions, line: string): Promise<string> =>
    new Promise((resolve) => {
      const base = { host: 'localhost', port: gatePort, ca: near.cert, ALPNProtocols: [GATE_ALPN] };
      const socket = connectTls({ ...base, ...options });
      socket.on('secureConnect', () => socket.write(`${line}\n`));
      let said = '';
      socket.on('data', (bytes: Buffer) => (said += bytes.toString('latin1')));
      socket.on('error', (error: NodeJS.ErrnoException) => (said ||= error.code ?? 'error'));
      socket.on('close', () => resolve(said === '' ? 'closed' : said));
      setTimeout(() => socket.end(), 500);
    });
  const path = `${runs[0]}/access.sock`;
  const request = `${path}\nGET /v1/none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r`;
  expect(await knock({ ...far }, request)).toMatch(/^HTTP\/1.1 404/);
  expect(await knock({}, request)).toMatch(/^(ERR_SSL|ECONNRESET|closed)/);
  expect(await knock({ ...stranger }, request)).toMatch(/^(ERR_SSL|ECONNRESET|closed)/);
  // Sockets of this machine that greet whoever comes, as many do.
  const outside = join(folder, 'other.1');
  await mkdir(outside);
  const paths = [join(outside, '.s.PGSQL.5432'), join(folder, 'access.sock')];
  const greeters = paths.map((at) => createTcpServer((peer) => peer.end('welcome')).listen(at));
  await Promise.all(greeters.map((greeter) => once(greeter, 'listening')));
  for (const at of paths) await chmod(at, 0o777);
  await chmod(outside, 0o711);
  for (const line of [...paths, `${runs[0]}/../../other.1/.s.PGSQL.5432`, '/etc/passwd', ''])
    expect(await knock({ ...far }, line)).toBe('closed');
  for (const greeter of greeters) greeter.close();
}, 20_000);
