/** Protocol 3.0 to 3.2 and beyond: what the proxy answers beside what Postgres 18 itself does. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { decodeBackendKey, decodeMessage, encodeCancelRequest, MESSAGE } from '../../proxy/wire.ts';
import { passwordMessage, prove, saslInitial, startupPacket } from './scram-client.ts';
import { ask, createStage, PASSWORD, until, type Stage } from './stage.ts';

jest.setTimeout(30_000);

let stage: Stage;
beforeAll(async () => {
  stage = await createStage();
  await ask(stage.client(), 'select 1');
});
afterAll(() => stage.end());

interface Message {
  readonly type: number;
  readonly body: Buffer;
}

interface Talk {
  readonly send: (bytes: Buffer) => void;
  readonly next: () => Promise<Message>;
  readonly close: () => void;
}

/** A connection, to the proxy or to Postgres itself, from which messages are taken one by one. */
async function talkTo(target: { path: string } | { port: number; host: string }): Promise<Talk> {
  const socket = connect({ ...target, noDelay: true });
  await once(socket, 'connect');
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])));
  socket.on('error', () => undefined);
  return {
    send: (packet) => void socket.write(packet),
    async next() {
      for (;;) {
        const message = decodeMessage(bytes, 0, 2 ** 20);
        if (message !== undefined) {
          bytes = bytes.subarray(message.used);
          return { type: message.value.type, body: Buffer.from(message.value.body) };
        }
        await once(socket, 'data');
      }
    },
    close: () => socket.destroy(),
  };
}

const directly = (): Promise<Talk> =>
  talkTo({ path: `${stage.tenant.addressOf(stage.epoch()).socket}/.s.PGSQL.5432` });
const byProxy = (): Promise<Talk> => talkTo({ port: stage.port, host: '127.0.0.1' });

type Options = Readonly<Record<string, string>>;

/** Logs in by this version. @returns what was negotiated, if anything, and all until it is ready. */
async function login(
  talk: Talk,
  version: { readonly minor: number; readonly options: Options },
  database: string,
): Promise<{ negotiated: Buffer | undefined; key: Buffer }> {
  const values = { user: 'owner', database, ...version.options };
  talk.send(startupPacket(values, (3 << 16) | version.minor));
  let negotiated: Buffer | undefined;
  let key: Buffer | undefined;
  const bare = 'n=,r=abc';
  for (;;) {
    const { type, body } = await talk.next();
    if (type === MESSAGE.negotiateProtocolVersion) negotiated = body;
    if (type === MESSAGE.backendKeyData) key = body;
    if (type === MESSAGE.error) throw new Error(body.toString());
    if (type === MESSAGE.readyForQuery && key !== undefined) return { negotiated, key };
    if (type !== MESSAGE.authentication) continue;
    if (body.readInt32BE(0) === 10) talk.send(saslInitial(`n,,${bare}`));
    if (body.readInt32BE(0) === 11) {
      const { final } = prove(PASSWORD, bare, body.toString('utf8', 4));
      talk.send(passwordMessage(Buffer.from(final)));
    }
  }
}

describe('a version', () => {
  test.each([
    [0, {}],
    [1, {}],
    [2, {}],
    [3, {}],
    [9999, {}],
    [0, { '_pq_.one': '1', '_pq_.two': '' }],
    [2, { '_pq_.one': '1' }],
    [3, { '_pq_.one': '1' }],
  ] as const)('3.%i with options %j is answered as by Postgres itself', async (minor, options) => {
    const [ours, theirs] = await Promise.all([byProxy(), directly()]);
    const by = await login(ours, { minor, options }, stage.database);
    const direct = await login(theirs, { minor, options }, 'main');
    expect(by.negotiated).toEqual(direct.negotiated);
    expect(by.key).toHaveLength(direct.key.length);
    ours.close();
    theirs.close();
  });
});

describe('a cancel key', () => {
  const query = (sql: string): Buffer => {
    const packet = Buffer.alloc(5 + sql.length + 1);
    packet.write('Q');
    packet.writeInt32BE(4 + sql.length + 1, 1);
    packet.write(sql, 5);
    return packet;
  };

  async function send(packet: Buffer): Promise<void> {
    const socket = connect(stage.port, '127.0.0.1');
    socket.end(packet);
    await once(socket.resume(), 'close');
  }

  test.each([
    ['3.0', 0, 4],
    ['3.2', 2, 32],
    ['3.9999', 9999, 32],
  ])('of %s cancels its own session, and nothing else like it does', async (_, minor, bytes) => {
    const talk = await byProxy();
    const { key: body } = await login(talk, { minor, options: {} }, stage.database);
    const key = decodeBackendKey(body);
    expect(key.secret).toHaveLength(bytes);
    const others = [
      { ...key, pid: key.pid ^ 1 },
      { ...key, secret: Buffer.from(key.secret.map((byte, i) => (i === 0 ? byte ^ 1 : byte))) },
      { ...key, secret: key.secret.subarray(1) },
      { ...key, secret: Buffer.concat([key.secret, Buffer.alloc(1)]) },
      { ...key, secret: key.secret.subarray(0, 0) },
      { ...key, secret: Buffer.alloc(257) },
    ];
    const before = await stage.metrics();
    talk.send(query('select pg_sleep(20)'));
    for (const other of others) await send(encodeCancelRequest(other));
    const found = /cancels_total\{found="true"\S* (\d+)\n/;
    expect(found.exec(await stage.metrics())?.[1]).toBe(found.exec(before)?.[1]);
    await send(encodeCancelRequest(key));
    for (;;) {
      const { type, body: said } = await talk.next();
      if (type !== MESSAGE.error) continue;
      expect(said.toString()).toContain('C57014');
      break;
    }
    talk.close();
    await until(async () => /proxy_sessions\S* 0\n/.test(await stage.metrics()));
  });
});

describe('a replication connection', () => {
  test.each(['true', 'database'])('(%s) is refused in clear words', async (replication) => {
    const talk = await byProxy();
    const options = { replication };
    const refused = login(talk, { minor: 0, options }, stage.database);
    await expect(refused).rejects.toThrow(/C28000[^]*no replication connections[^]*pg_dump/);
    talk.close();
  });

  test('that is none goes on', async () => {
    const talk = await byProxy();
    const { key } = await login(
      talk,
      { minor: 0, options: { replication: 'off' } },
      stage.database,
    );
    expect(key).toHaveLength(8);
    talk.close();
  });
});
