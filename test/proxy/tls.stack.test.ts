/** TLS for clients: how it begins, what it shows, and what is refused. */
import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { LOGIN_REFUSED_MS } from '../../model/limits.ts';
import type { Certificate } from '../../proxy/tls.ts';
import { decodeErrorResponse, decodeMessage, MESSAGE, type Message } from '../../proxy/wire.ts';
import { attempt, startupPacket, type Binding } from './scram-client.ts';
import {
  ask,
  createStage,
  failureOf,
  GSSENC_REQUEST,
  PASSWORD,
  rawClient,
  rawTlsClient,
  SSL_REQUEST,
  testCertificate,
  until,
  type RawClient,
  type Stage,
} from './stage.ts';

jest.setTimeout(30_000);

const ALPN = { ALPNProtocols: ['postgresql'] };
const made = testCertificate();
/** What the proxy shows to who comes next. */
let shown: () => Certificate = () => made.certificate;
let stage: Stage;
beforeAll(async () => {
  stage = await createStage({ certificate: () => shown() });
});
afterAll(() => stage.end());
afterEach(() => {
  shown = () => made.certificate;
});

const trusting = { ca: made.cert };
/** The driver of Postgres with TLS by SSLRequest, verifying name and certificate. */
const tlsClient = (options: Partial<pg.ClientConfig> = {}): pg.Client =>
  stage.client({ ssl: trusting, ...options });

const streamOf = (client: pg.Client): TLSSocket =>
  (client as unknown as { connection: { stream: TLSSocket } }).connection.stream;

/** The fields of the ErrorResponse that is the last of these messages. */
function errorIn(said: Buffer): Readonly<Record<string, string>> {
  let last: Message | undefined;
  for (let at = 0; at < said.length;) {
    const message = decodeMessage(said, at, said.length);
    if (message === undefined) throw new Error('a part of a message');
    last = message.value;
    at += message.used;
  }
  expect(last?.type).toBe(MESSAGE.error);
  return decodeErrorResponse(last?.body ?? Buffer.alloc(0));
}

describe('a client', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('gets %s', async (version) => {
    const client = tlsClient({ ssl: { ...trusting, minVersion: version, maxVersion: version } });
    await client.connect();
    expect(streamOf(client).getProtocol()).toBe(version);
    const { rows } = await client.query<{ n: number }>('select 1 as n');
    expect(rows).toEqual([{ n: 1 }]);
    await client.end();
  });

  test('of an older TLS is refused', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
    await expect(rawTlsClient(stage.port, 'asked', old)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|ECONNRESET/),
    });
    await until(async () => /proxy_connections\S* 0\n/.test(await stage.metrics()));
    expect(await stage.metrics()).toMatch(/logins_total\{result="protocol_violation"\S* 1\n/);
  });

  test('of TLS 1.2 may not negotiate again', async () => {
    const { socket } = await rawTlsClient(stage.port, 'asked', { maxVersion: 'TLSv1.2' });
    const failed = await new Promise<Error | null>((resolve) => {
      socket.once('error', resolve);
      (socket as TLSSocket).renegotiate({}, resolve);
    });
    expect(failed).toMatchObject({ code: expect.stringMatching(/RENEGOTIATION/) });
    socket.destroy();
  });

  test('that verifies and does not know the certificate is not deceived', async () => {
    const failed = await failureOf(stage.client({ ssl: { ca: testCertificate().cert } }).connect());
    expect(failed).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  test('may still go without', async () => {
    expect(await ask(stage.client(), 'select 1')).toBe(1);
  });

  test('may begin with TLS at once, and says by ALPN that it means Postgres', async () => {
    const direct = { sslnegotiation: 'direct' } as Partial<pg.ClientConfig>;
    const client = tlsClient({ ...direct, ssl: { ...trusting, ...ALPN } });
    await client.connect();
    expect(streamOf(client).alpnProtocol).toBe('postgresql');
    await client.end();
    const silent = await rawTlsClient(stage.port, 'direct');
    expect(errorIn(await silent.all())).toMatchObject({
      C: '08P01',
      D: expect.stringContaining('ALPN'),
    });
  });

  test.each(['asked', 'direct'] as const)('of another protocol is turned away: %s', async (how) => {
    const other = rawTlsClient(stage.port, how, { ALPNProtocols: ['http/1.1'] });
    await expect(other).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL|ECONNRESET/),
    });
  });

  test('that asks for GSSAPI first gets TLS after the no', async () => {
    const client = await rawClient(stage.port);
    client.socket.write(GSSENC_REQUEST);
    expect((await client.bytes(1)).toString()).toBe('N');
    client.socket.write(SSL_REQUEST);
    expect((await client.bytes(2)).toString()).toBe('NS');
    client.socket.destroy();
  });

  test.each([
    ['TLS', SSL_REQUEST],
    ['GSSAPI', GSSENC_REQUEST],
  ])('is refused %s inside TLS', async (_, request) => {
    const client = await rawTlsClient(stage.port, 'asked');
    client.socket.write(request);
    expect(errorIn(await client.all())).toMatchObject({ C: '08P01' });
  });

  test('that sends bytes behind its request for TLS is refused before TLS begins', async () => {
    const start = startupPacket({ user: 'owner', database: stage.database });
    for (const behind of [start, start.subarray(0, 1), Buffer.from([0x16])]) {
      const client = await rawClient(stage.port);
      client.socket.write(Buffer.concat([SSL_REQUEST, behind]));
      const detail = 'unencrypted data came behind the request for encryption';
      expect(errorIn(await client.all())).toMatchObject({ C: '08P01', D: detail });
    }
  });

  test('that asks for TLS and goes on in plain text gets nowhere', async () => {
    const client = await rawClient(stage.port);
    client.socket.write(SSL_REQUEST);
    await client.bytes(1);
    client.socket.write(startupPacket({ user: 'owner', database: stage.database }));
    // A TLS alert at most.
    expect((await client.all()).toString('latin1')).toMatch(/^S(?!E)/);
  });

  test.each([
    ['closes', (client: RawClient) => client.socket.destroy()],
    ['ends', (client: RawClient) => client.socket.end()],
    ['breaks off', (client: RawClient) => client.socket.resetAndDestroy()],
  ])('that %s in the middle of its handshake is gone at once', async (_, leave) => {
    const client = await rawClient(stage.port);
    client.socket.write(SSL_REQUEST);
    await client.bytes(1);
    leave(client);
    await until(async () => /proxy_connections\S* 0\n/.test(await stage.metrics()), 1_000);
  });

  test('that never ends its handshake is not waited for longer than a login may take', async () => {
    const short = await createStage({ certificate: () => made.certificate, loginMs: 300 });
    try {
      const client = await rawClient(short.port);
      client.socket.write(SSL_REQUEST);
      expect((await client.all()).toString()).toBe('S');
      await until(async () => /proxy_connections\S* 0\n/.test(await short.metrics()));
    } finally {
      await short.end();
    }
  });
});

describe('a host name', () => {
  test('leads to its database, and `database` is the one inside', async () => {
    const ssl = { ...trusting, servername: `${stage.database}.pilotlight.localhost` };
    const sql = 'select current_database()';
    expect(await ask(tlsClient({ ssl, database: 'postgres' }), sql)).toBe('postgres');
    expect(await ask(tlsClient({ ssl }), sql)).toBe('main');
    expect(await failureOf(tlsClient({ ssl, database: 'none' }).connect())).toMatchObject({
      code: '3D000',
    });
  });

  test('of no database leaves it to `database`', async () => {
    const ssl = { ...trusting, servername: 'localhost' };
    expect(await ask(tlsClient({ ssl }), 'select current_database()')).toBe('main');
  });
});

describe('a database that requires TLS', () => {
  const id = 'db-dddddddddddddddddddd';
  beforeAll(() => {
    const open = stage.api.access.get(stage.database);
    if (open === undefined) throw new Error('no access');
    stage.api.access.set(id, { ...open, database: id, tls: 'required' });
  });

  test('refuses a plain login, and says what to do to who has the password', async () => {
    expect(await failureOf(stage.client({ database: id }).connect())).toMatchObject({
      code: '28000',
      detail: 'it needs TLS',
      hint: expect.stringContaining('sslmode=require'),
    });
    const wrong = stage.client({ database: id, password: 'wrong' });
    expect(await failureOf(wrong.connect())).toMatchObject({ code: '28P01' });
  });

  test('takes one inside TLS', async () => {
    expect(await ask(tlsClient({ database: id }), 'select 1')).toBe(1);
  });
});

describe('a login that binds to the channel', () => {
  const bound = { enableChannelBinding: true } as Partial<pg.ClientConfig>;

  /** Logs in and says by which mechanism. */
  async function mechanismIn(client: pg.Client): Promise<unknown> {
    const inner = client as unknown as {
      readonly connection: NodeJS.EventEmitter;
      readonly saslSession: { readonly mechanism: string } | null;
    };
    let mechanism: unknown;
    inner.connection.once('authenticationSASLContinue', () => {
      mechanism = inner.saslSession?.mechanism;
    });
    await client.connect();
    await client.end();
    return mechanism;
  }

  test('proves password and certificate at once', async () => {
    expect(await mechanismIn(tlsClient(bound))).toBe('SCRAM-SHA-256-PLUS');
    expect(await failureOf(tlsClient({ ...bound, password: 'wrong' }).connect())).toMatchObject({
      code: '28P01',
    });
  });

  const own = { user: 'owner', password: PASSWORD };
  const endPoint = createHash('sha256').update(new X509Certificate(made.cert).raw).digest();
  const header = 'p=tls-server-end-point,,';

  /** What a client gets that has the right password, and when. */
  async function attemptBound(binding: Binding): Promise<{ fields: object; afterMs: number }> {
    const client = await rawTlsClient(stage.port, 'asked');
    const { said, afterMs } = await attempt(client, { ...own, database: stage.database }, binding);
    return { fields: errorIn(said), afterMs };
  }

  test('to another certificate is refused, as somebody is on the way', async () => {
    const other = createHash('sha256').update('another certificate').digest();
    for (const hash of [other, endPoint.subarray(1), Buffer.alloc(0)]) {
      const binding = { header, mechanism: 'SCRAM-SHA-256-PLUS', endPoint: hash };
      expect((await attemptBound(binding)).fields).toMatchObject({
        C: '08P01',
        D: 'the SCRAM channel binding does not fit',
      });
    }
  });

  test('that believes that we offer no binding looks like a wrong password', async () => {
    const { fields, afterMs } = await attemptBound({ header: 'y,,' });
    expect(fields).toMatchObject({ C: '28P01' });
    expect(afterMs).toBeGreaterThan(LOGIN_REFUSED_MS - 2);
  });

  test('is not offered where the certificate has no hash of its own', async () => {
    shown = () => ({ ...made.certificate, endPoint: undefined });
    // The client may, says `y`, and nobody has deceived it.
    expect(await mechanismIn(tlsClient(bound))).toBe('SCRAM-SHA-256');
  });
});
