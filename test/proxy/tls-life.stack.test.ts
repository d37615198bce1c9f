/** What happens to connections inside TLS: certificates that change, pieces, cancel, bulk data. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { replaceFile } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { WatchedFile } from '../../lib/watched-file.ts';
import { checkReadable, openCertificate, type Certificate } from '../../proxy/tls.ts';
import { encodeCancelRequest } from '../../proxy/wire.ts';
import {
  ask,
  createStage,
  failureOf,
  rawTlsClient,
  testCertificate,
  until,
  type Stage,
} from './stage.ts';

jest.setTimeout(30_000);

const said: { readonly level: string; readonly text: string; readonly err?: Error }[] = [];
const log = {
  info: (_: object, text: string) => said.push({ level: 'info', text }),
  error: ({ err }: { err: Error }, text: string) => said.push({ level: 'error', text, err }),
} as unknown as Logger;

let folder: string;
let files: { cert: string; key: string };
let watched: WatchedFile<Certificate>;
let stage: Stage;
const first = testCertificate();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pl-tls-'));
  files = { cert: join(folder, 'proxy.crt'), key: join(folder, 'proxy.key') };
  await writeFile(files.cert, first.cert);
  await writeFile(files.key, first.key);
  const opened = await openCertificate({ ...files, log, lookMs: 5 });
  if (opened === undefined) throw new Error('no certificate');
  watched = opened;
  stage = await createStage({ certificate: watched.current });
});
afterAll(async () => {
  watched.stop();
  await stage.end();
  await rm(folder, { recursive: true });
});

// No connection is left behind, however it ended.
afterEach(() => until(async () => /proxy_connections\S* 0\n/.test(await stage.metrics())));

const insecure = { rejectUnauthorized: false };
async function connected(options: Partial<pg.ClientConfig> = {}): Promise<pg.Client> {
  const client = stage.client({ ssl: insecure, ...options });
  await client.connect();
  return client;
}

/** The serial number of what the proxy shows now. */
async function shownSerial(): Promise<string> {
  const { socket } = await rawTlsClient(stage.port, 'asked');
  const { serialNumber } = (socket as TLSSocket).getPeerCertificate();
  socket.destroy();
  return serialNumber;
}
const serialOf = (cert: string): string => new X509Certificate(cert).serialNumber;

describe('a certificate', () => {
  test('that is replaced holds for who comes next, and sessions go on', async () => {
    const before = await connected();
    const next = testCertificate();
    // In either order: between the two they do not belong together, and the old ones hold.
    await replaceFile(files.cert, next.cert);
    await until(() => said.some(({ level }) => level === 'error'));
    expect(await shownSerial()).toBe(serialOf(first.cert));
    await replaceFile(files.key, next.key);
    await until(async () => (await shownSerial()) === serialOf(next.cert));
    const { rows } = await before.query<{ n: number }>('select 1 as n');
    expect(rows).toEqual([{ n: 1 }]);
    await before.end();
    const bound = { enableChannelBinding: true } as Partial<pg.ClientConfig>;
    await (await connected(bound)).end();
  });

  test('that is broken changes nothing, and is told once without what is in it', async () => {
    let serial = await shownSerial();
    for (const broken of ['', 'nonsense', first.cert.slice(0, 200), first.key]) {
      said.length = 0;
      await replaceFile(files.cert, broken);
      await until(() => said.length > 0);
      expect(await shownSerial()).toBe(serial);
      const good = testCertificate();
      await replaceFile(files.key, good.key);
      await replaceFile(files.cert, good.cert);
      await until(async () => (await shownSerial()) === serialOf(good.cert));
      expect(said.filter(({ level }) => level === 'error')).toHaveLength(1);
      for (const { err } of said) expect(String(err?.message)).not.toContain('-----');
      serial = serialOf(good.cert);
    }
  });

  test('is refused at the start if it is wrong, half, or not to be read by the proxy', async () => {
    const { cert, key } = files;
    const nowhere = join(folder, 'nowhere');
    await expect(openCertificate({ cert, key: '', log })).rejects.toThrow('go together');
    await expect(openCertificate({ cert, key: nowhere, log })).rejects.toThrow('can not be read');
    await expect(openCertificate({ cert: key, key, log })).rejects.toThrow('what it should be');
    expect(await openCertificate({ cert: '', key: '', log })).toBeUndefined();
    expect(() => checkReadable([cert, nowhere])).toThrow('can not read');
    expect(() => checkReadable([cert, key])).not.toThrow();
  });
});

describe('bytes that come one a packet', () => {
  let relay: Server | undefined;
  afterEach(() => void relay?.close());

  /** Hands on what the client says, a byte at a time; answers whole. */
  async function cutToBytes(): Promise<number> {
    relay = createServer({ noDelay: true }, (client) => {
      const proxy = connect({ port: stage.port, host: '127.0.0.1', noDelay: true });
      client.on('error', () => undefined);
      proxy.on('error', () => undefined);
      void feed(client, proxy);
      proxy.pipe(client);
    });
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
    return (relay.address() as AddressInfo).port;
  }

  async function feed(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>)
      for (const byte of chunk) {
        to.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
    to.end();
  }

  test.each([
    ['in plain text', {}],
    ['inside TLS 1.3', { ssl: insecure }],
    ['inside TLS 1.2', { ssl: { ...insecure, maxVersion: 'TLSv1.2' as const } }],
    ['bound to the channel', { ssl: insecure, enableChannelBinding: true }],
    [
      'with TLS at once',
      { ssl: { ...insecure, ALPNProtocols: ['postgresql'] }, sslnegotiation: 'direct' as const },
    ],
  ])('make the same login %s', async (_, options) => {
    const port = await cutToBytes();
    expect(await ask(stage.client({ ...options, port }), 'select 1')).toBe(1);
    const wrong = stage.client({ ...options, port, password: 'wrong' });
    expect(await failureOf(wrong.connect())).toMatchObject({ code: '28P01' });
  });
});

describe('a session inside TLS', () => {
  test('reads only as fast as its client does', async () => {
    const client = await connected();
    const { stream } = (client as unknown as { connection: { stream: NodeJS.ReadableStream } })
      .connection;
    const before = process.memoryUsage().arrayBuffers;
    stream.pause();
    const rows = client.query(`select repeat('x', 1000000) from generate_series(1, 100)`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const kept = process.memoryUsage().arrayBuffers - before;
    stream.resume();
    expect((await rows).rowCount).toBe(100);
    await client.end();
    expect(kept).toBeLessThan(20_000_000);
  });

  test('is cancelled by a request inside TLS', async () => {
    const client = await connected();
    const { processID: pid, secretKey } = client as unknown as {
      processID: number;
      secretKey: number;
    };
    const secret = Buffer.alloc(4);
    secret.writeInt32BE(secretKey);
    const sleeping = failureOf(client.query('select pg_sleep(20)'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { socket } = await rawTlsClient(stage.port, 'asked');
    socket.end(encodeCancelRequest({ pid, secret }));
    expect(await sleeping).toMatchObject({ code: '57014' });
    await client.end();
  });

  test('whose client breaks off is gone at once', async () => {
    const client = await connected();
    const { stream } = (client as unknown as { connection: { stream: TLSSocket } }).connection;
    client.on('error', () => undefined);
    expect(await stage.metrics()).toMatch(/proxy_sessions\S* [1-9]/);
    stream.destroy();
    const deadline = Date.now() + 5_000;
    while (!/proxy_sessions\S* 0\n/.test(await stage.metrics()) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await stage.metrics()).toMatch(/proxy_sessions\S* 0\n/);
  });
});
