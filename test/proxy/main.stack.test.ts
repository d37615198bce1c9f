/** The proxy as the process it is: built code, in a folder that only its owner can look into. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from '@jest/globals';
import { freePort } from '../../lib/free-port.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { replaceFile } from '../../lib/files.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { isRoot } from '../../host/prepare.ts';
import { FAKE_TOKEN } from './fake-api.ts';
import {
  ask,
  createStage,
  failureOf,
  rawTlsClient,
  testCertificate,
  until,
  type Stage,
} from './stage.ts';

jest.setTimeout(60_000);

let clone: string;
let stage: Stage;
let child: ChildProcess | undefined;

interface Lock {
  readonly packages: Readonly<Record<string, { dependencies?: Record<string, string> }>>;
}

/** A clone with the built code and what the proxy imports, 0700 as mkdtemp makes it. */
async function makeClone(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pl-clone-'));
  const lock = JSON.parse(await readFile(join(PACKAGE_ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const wanted = ['pino', 'prom-client'];
  for (const name of wanted) {
    const needs = Object.keys(lock.packages[`node_modules/${name}`]?.dependencies ?? {});
    wanted.push(...needs.filter((need) => !wanted.includes(need)));
  }
  const paths = ['package.json', ...['model', 'lib', 'proxy'].map((name) => `dist/${name}`)];
  for (const path of [...paths, ...wanted.map((name) => `node_modules/${name}`)])
    await cp(join(PACKAGE_ROOT, path), join(folder, path), { recursive: true });
  return folder;
}

interface Started {
  readonly said: () => string;
  readonly exit: Promise<number | null>;
  /** Waits for a line of the log. */
  readonly until: (text: string) => Promise<void>;
}

function start(extra: Readonly<Record<string, string>>): Started {
  const settings = {
    PILOTLIGHT_API_URLS: stage.api.url,
    PILOTLIGHT_API_TOKEN: FAKE_TOKEN,
    PILOTLIGHT_FLEET_SECRET: 'a secret of the fleet',
    PILOTLIGHT_HOLD_MS: '2000',
    ...extra,
  };
  const started = spawn(process.execPath, ['--enable-source-maps', 'dist/proxy/main.js'], {
    cwd: clone,
    env: childEnvironment(settings),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child = started;
  let said = '';
  started.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exit = new Promise<number | null>((resolve) => started.once('exit', resolve));
  return {
    said: () => said,
    exit,
    async until(text) {
      let ended = false;
      void exit.then(() => (ended = true));
      while (!said.includes(text)) {
        if (ended) throw new Error(`it ended: ${said}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

beforeAll(async () => {
  [clone, stage] = await Promise.all([makeClone(), createStage()]);
});
afterEach(() => {
  if (child?.exitCode === null) child.kill('SIGKILL');
});
afterAll(async () => {
  await stage.end();
  await rm(clone, { recursive: true });
});

test('it gives root away, serves without its folder, and ends in order', async () => {
  const [port, health] = [await freePort(), await freePort()];
  const watched = join(clone, 'watched');
  await cp(join(clone, 'package.json'), watched);
  const proxy = start({
    PILOTLIGHT_PORT: String(port),
    PILOTLIGHT_METRICS_PORT: String(health),
    PILOTLIGHT_WATCH: watched,
  });
  await proxy.until('listening');
  const status = await readFile(`/proc/${child?.pid ?? 0}/status`, 'utf8');
  if (isRoot()) {
    expect(status).toMatch(/Uid:\s+1\s+1\s+1\s+1\n/);
    expect(status).toMatch(/Gid:\s+1\s+1\s+1\s+1\n/);
    expect(status).toMatch(/CapEff:\s+0+\n/);
  }
  expect(await ask(stage.client({ port }), 'select 1')).toBe(1);
  const failed = await failureOf(stage.client({ port, password: 'wrong' }).connect());
  expect(failed).toMatchObject({ code: '28P01' });
  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${health}${path}`)).text();
  expect(await get('/readyz')).toBe('{"status":"ok"}');
  const metrics = await get('/metrics');
  expect(metrics).toMatch(/pilotlight_proxy_logins_total\{result="ok"\S* 1\n/);
  expect(metrics).toMatch(/pilotlight_proxy_logins_total\{result="login_refused"\S* 1\n/);
  child?.kill('SIGTERM');
  expect(await proxy.exit).toBe(0);
  const said = proxy.said();
  // Which of the two closes first after Terminate is theirs to settle.
  expect(said).toMatch(/"ended":"(client|postgres)","msg":"session"/);
  for (const secret of [FAKE_TOKEN, 'a secret of the fleet', 'SCRAM-SHA-256$', 'select 1'])
    expect(said).not.toContain(secret);
});

describe('the certificate', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pl-tls-'));
    await chmod(folder, 0o711);
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** The user `daemon`, whom the proxy becomes. */
  const DAEMON = 1;

  async function write(uid: number): Promise<{ settings: Record<string, string>; serial: string }> {
    const { cert, key } = testCertificate();
    const paths = { cert: join(folder, 'proxy.crt'), key: join(folder, 'proxy.key') };
    await replaceFile(paths.cert, cert, 0o644);
    await replaceFile(paths.key, key, 0o600);
    if (isRoot()) await chown(paths.key, uid, uid);
    const settings = { PILOTLIGHT_TLS_CERT: paths.cert, PILOTLIGHT_TLS_KEY: paths.key };
    return { settings, serial: new X509Certificate(cert).serialNumber };
  }

  async function shownSerial(port: number): Promise<string> {
    const { socket } = await rawTlsClient(port, 'asked');
    const { serialNumber } = (socket as TLSSocket).getPeerCertificate();
    socket.destroy();
    return serialNumber;
  }

  test('is read again by the user that the proxy has become', async () => {
    const port = await freePort();
    const { settings, serial } = await write(DAEMON);
    const proxy = start({ PILOTLIGHT_PORT: String(port), ...settings });
    await proxy.until('listening');
    expect(await shownSerial(port)).toBe(serial);
    const ssl = { rejectUnauthorized: false };
    expect(await ask(stage.client({ port, ssl }), 'select 1')).toBe(1);
    const next = await write(DAEMON);
    await until(async () => (await shownSerial(port)) === next.serial);
    await proxy.until('has been read again');
    child?.kill('SIGTERM');
    expect(await proxy.exit).toBe(0);
    expect(proxy.said()).toMatch(/"tls":"TLSv1.3"/);
    expect(proxy.said()).not.toContain('PRIVATE KEY');
  });

  test('that this user could not read again is refused at the start', async () => {
    if (!isRoot()) return;
    const { settings } = await write(0);
    const proxy = start({ PILOTLIGHT_PORT: String(await freePort()), ...settings });
    expect(await proxy.exit).toBe(1);
    expect(proxy.said()).toMatch(
      /^pilotlight proxy: the proxy's user can not read .*proxy\.key.*\n$/,
    );
  });
});

test('it ends when its home is removed, though it can not look there', async () => {
  const watched = join(clone, 'endpoints.json');
  await cp(join(clone, 'package.json'), watched);
  const proxy = start({ PILOTLIGHT_PORT: String(await freePort()), PILOTLIGHT_WATCH: watched });
  await proxy.until('listening');
  await rm(watched);
  expect(await proxy.exit).toBe(0);
});

test('what is wrong with its settings is one sentence', async () => {
  const { port } = stage;
  const taken = start({ PILOTLIGHT_PORT: String(port) });
  expect(await taken.exit).toBe(1);
  expect(taken.said()).toBe(
    `pilotlight proxy: port ${port} on 127.0.0.1 is taken by another program\n`,
  );
  if (!isRoot()) return;
  const nobody = start({ PILOTLIGHT_PORT: '1', PILOTLIGHT_PROXY_USER: 'no-such-user' });
  expect(await nobody.exit).toBe(1);
  expect(nobody.said()).toMatch(/^pilotlight proxy: .*"no-such-user".*\n$/);
});
