/** The byte pump between two real sockets, the client's plain and inside TLS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { splice, type SessionEnd } from '../../proxy/session.ts';
import { encrypt } from '../../proxy/tls.ts';
import { decodeErrorResponse, encodeErrorResponse } from '../../proxy/wire.ts';
import { testCertificate, until } from './stage.ts';

interface Ends {
  readonly client: Socket;
  readonly postgres: Socket;
  readonly breakOff: () => void;
  /** Closes without what TLS says at the end. */
  readonly vanish: () => void;
  readonly session: Promise<SessionEnd>;
}

let folder: string;
let close: () => void;
let ends: Ends;

/** Both ends of one connection, as a client and the proxy hold them. */
type Pair = (client: Socket, inner: Socket) => Promise<readonly [Socket, Socket]>;

const plain: Pair = (client, inner) => Promise.resolve([client, inner]);

const { certificate } = testCertificate();
const tls =
  (version: 'TLSv1.2' | 'TLSv1.3'): Pair =>
  async (client, inner) => {
    const encrypted = encrypt(inner, certificate, new AbortController().signal);
    const trusting = { rejectUnauthorized: false, allowHalfOpen: true, maxVersion: version };
    const secure = connectTls({ socket: client, ...trusting });
    await once(secure, 'secureConnect');
    return [secure, await encrypted];
  };

async function open(pair: Pair): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'pl-splice-'));
  const path = join(folder, 's');
  const postgres = createServer({ allowHalfOpen: true }).listen(path);
  await once(postgres, 'listening');
  const front = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  const { port } = front.address() as AddressInfo;
  const outer = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [[accepted], [server], backend] = (await Promise.all([
    once(front, 'connection'),
    once(postgres, 'connection'),
    Promise.resolve(connect({ path, allowHalfOpen: true })),
  ])) as [[Socket], [Socket], Socket];
  const [client, inner] = await pair(outer, accepted);
  for (const socket of [outer, accepted, client, inner, server, backend])
    socket.on('error', () => undefined);
  ends = {
    client,
    postgres: server,
    breakOff: () => outer.resetAndDestroy(),
    vanish: () => outer.destroy(),
    session: splice(inner, backend),
  };
  close = () => {
    for (const socket of [client, inner, server, backend]) socket.destroy();
    front.close();
    postgres.close();
  };
}

afterEach(async () => {
  close();
  await rm(folder, { recursive: true });
});

const fatal = encodeErrorResponse({ S: 'FATAL', V: 'FATAL', C: '57P01', M: 'terminating' });

/** Everything until the other side ends; iterating would close the socket as well. */
const read = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'end');
  return text;
};

const PAIRS = [
  ['plain', plain],
  ['inside TLS 1.2', tls('TLSv1.2')],
  ['inside TLS 1.3', tls('TLSv1.3')],
] as const;

describe.each(PAIRS)('%s', (_, pair) => {
  beforeEach(() => open(pair));

  test('an end of the client is passed on as an end, and what Postgres still says arrives', async () => {
    ends.client.end('last words');
    expect(await read(ends.postgres)).toBe('last words');
    ends.postgres.end('an answer');
    expect(await read(ends.client)).toBe('an answer');
    expect(await ends.session).toEqual({ ended: 'client', bytesIn: 10, bytesOut: 9 });
  });

  test('an end of Postgres ends the client after its last bytes', async () => {
    ends.postgres.end('x'.repeat(500_000));
    expect(await read(ends.client)).toHaveLength(500_000);
    ends.client.end();
    expect(await ends.session).toMatchObject({ ended: 'postgres', bytesOut: 500_000 });
  });

  test('a client that breaks off closes Postgres at once', async () => {
    ends.client.write('hello');
    await once(ends.postgres, 'data');
    ends.breakOff();
    expect(await ends.session).toMatchObject({ ended: 'client_broken', bytesIn: 5 });
  });

  test('a client that closes without a word is gone as soon as Postgres has heard it', async () => {
    ends.client.write('hello');
    await once(ends.postgres, 'data');
    const begun = performance.now();
    ends.vanish();
    await once(ends.postgres, 'end');
    ends.postgres.end();
    expect(await ends.session).toMatchObject({ bytesIn: 5 });
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  test('a client that stays after Postgres has gone is closed within seconds', async () => {
    ends.client.resume();
    ends.postgres.destroy();
    const begun = performance.now();
    expect(await ends.session).toMatchObject({ ended: 'postgres' });
    expect(performance.now() - begun).toBeGreaterThan(4_900);
  }, 10_000);
});

describe.each(PAIRS)('last words, %s', (_, pair) => {
  beforeEach(() => open(pair));

  test('a client that says goodbye has ended the session, though Postgres closes first', async () => {
    ends.client.write('some');
    ends.client.write(Buffer.from('X\0\0\0\u0004'));
    let heard = 0;
    ends.postgres.on('data', (bytes: Buffer) => (heard += bytes.length));
    await until(() => heard === 9);
    ends.postgres.end();
    ends.client.resume();
    await once(ends.client, 'end');
    ends.client.end();
    expect(await ends.session).toMatchObject({ ended: 'client' });
  });

  test('the words with which an administrator ends a session get a hint, and nothing else does', async () => {
    const texts: string[] = [];
    ends.client.on('data', (bytes: Buffer) => texts.push(bytes.toString()));
    // Said, but not the last: as it is.
    ends.postgres.write(fatal);
    await delay(50);
    ends.postgres.write('rows');
    await until(() => texts.join('').endsWith('rows'));
    expect(texts.join('')).toBe(`${fatal.toString()}rows`);
    ends.postgres.end(fatal);
    await once(ends.client, 'end');
    const last = Buffer.from(texts.join('')).subarray(fatal.length + 'rows'.length);
    expect(last.readInt32BE(1)).toBe(last.length - 1);
    const fields = decodeErrorResponse(last.subarray(5));
    expect(fields).toMatchObject({
      C: '57P01',
      M: 'terminating',
      H: expect.stringMatching(/wakes/),
    });
  });

  test('the last words arrive although Postgres had not read all', async () => {
    ends.postgres.pause();
    ends.client.write('a query that nobody reads');
    await delay(50);
    ends.postgres.write(fatal);
    const heard = read(ends.client);
    await delay(50);
    ends.postgres.destroy();
    expect(await heard).toContain('57P01');
  });
});
