/** What a client can do wrong: it is told why, the connection closes, and nothing is woken. */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { LOGIN_REFUSED_MS } from '../../model/limits.ts';
import { decodeErrorResponse } from '../../proxy/wire.ts';
import {
  attempt,
  OFFER_BYTES,
  passwordMessage,
  prove,
  saslInitial,
  startupPacket,
} from './scram-client.ts';
import { createStage, failureOf, PASSWORD, rawClient, until, type Stage } from './stage.ts';

jest.setTimeout(30_000);

const INVALID = 'the message is not valid in this protocol';
const NOBODY = 'db-aaaaaaaaaaaaaaaaaaaa';

let stage: Stage;
beforeAll(async () => {
  stage = await createStage({ holdMs: 1_000, loginMs: 1_000 });
});
afterAll(() => stage.end());
afterEach(async () => {
  expect(stage.api.starts).toEqual([]);
  await until(async () => /proxy_connections\S* 0\n/.test(await stage.metrics()));
});

/** The fields of the ErrorResponse that is all of `said` from `from` on. */
function errorIn(said: Buffer, from = 0): Readonly<Record<string, string>> {
  expect(said.toString('latin1', from, from + 1)).toBe('E');
  expect(said.readInt32BE(from + 1)).toBe(said.length - from - 1);
  return decodeErrorResponse(said.subarray(from + 5));
}

async function answerTo(...packets: readonly Buffer[]): Promise<Buffer> {
  const client = await rawClient(stage.port);
  for (const packet of packets) client.socket.write(packet);
  return client.all();
}

describe('a refused login', () => {
  const CASES = {
    'wrong password': () => ({ user: 'owner', database: stage.database, password: 'wrong' }),
    'unknown role': () => ({ user: 'other', database: stage.database, password: PASSWORD }),
    'unknown database': () => ({ user: 'owner', database: NOBODY, password: PASSWORD }),
    'the superuser': () => ({ user: 'pilot', database: stage.database, password: PASSWORD }),
    'no database id': () => ({ user: 'owner', database: 'postgres', password: PASSWORD }),
  };

  test('looks the same whatever was wrong, and leaves as late', async () => {
    const took: Record<string, number[]> = {};
    const shapes = new Set<string>();
    for (let round = 0; round < 20; round++) {
      // All clients are one process and wait for each other's arithmetic: each goes first as often.
      const cases = Object.entries(CASES);
      const first = round % cases.length;
      const order = [...cases.slice(first), ...cases.slice(0, first)];
      const rounds = order.map(async ([name, login]) => {
        const { said, wholeMs, afterMs } = await attempt(await rawClient(stage.port), login());
        (took[name] ??= []).push(wholeMs);
        expect(afterMs).toBeGreaterThan(LOGIN_REFUSED_MS - 2);
        const text = said.toString('latin1').replace(`"${login().user}"`, '"?????"');
        shapes.add(text.replace(/r=[^,]+,s=[A-Za-z0-9+/]{22}==,/, 'r=…,s=…,'));
      });
      await Promise.all(rounds);
    }
    expect([...shapes]).toEqual([
      expect.stringMatching(
        /^R.{8}SCRAM-SHA-256\0\0R.{8}r=…,s=…,i=4096E.{4}SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "\?{5}"\0\0$/s,
      ),
    ]);
    const medians = Object.values(took).map((ms) => ms.sort((a, b) => a - b)[10] ?? 0);
    // Twenty of each on a machine that does other things: what leaves early is earlier by far.
    expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(1.2);
  });

  test('answers the same salt to the same name, and another to another', async () => {
    const saltOf = async (database: string, user: string): Promise<string> => {
      const login = { database, user, password: 'x' };
      const { said } = await attempt(await rawClient(stage.port), login);
      return /s=([^,]+),/.exec(said.toString('latin1'))?.[1] ?? '';
    };
    const salts = await Promise.all(
      [
        ['a', 'a'],
        ['a', 'a'],
        ['a', 'b'],
        ['b', 'a'],
      ].map(([d = '', u = '']) => saltOf(d, u)),
    );
    expect(salts[0]).toBe(salts[1]);
    expect(new Set(salts).size).toBe(3);
  });

  test('is what an address outside the allow list and a plain connection get, typed', async () => {
    const open = stage.api.access.get(stage.database);
    if (open === undefined) throw new Error('no access');
    for (const [database, rule, detail] of [
      [
        'db-bbbbbbbbbbbbbbbbbbbb',
        { allow: ['10.0.0.0/8'] },
        'it takes no connections from this address',
      ],
      ['db-cccccccccccccccccccc', { tls: 'required' as const }, 'it needs TLS'],
    ] as const) {
      stage.api.access.set(database, { ...open, ...rule, database });
      const sentAt = performance.now();
      const failed = await failureOf(stage.client({ database }).connect());
      expect(failed).toMatchObject({ code: '28000', detail });
      expect(performance.now() - sentAt).toBeGreaterThan(LOGIN_REFUSED_MS);
      // Who has no password learns nothing of the rule.
      const wrong = await failureOf(stage.client({ database, password: 'wrong' }).connect());
      expect(wrong).toMatchObject({ code: '28P01' });
    }
  });
});

describe('a first packet', () => {
  test.each([
    ['of some other protocol', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), '08P01'],
    ['of zeros', Buffer.alloc(64), '08P01'],
    ['of TLS without asking', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), '08P01'],
    ['of protocol 2', startupPacket({ user: 'owner' }, 2 << 16), '0A000'],
    ['of no protocol', startupPacket({ user: 'owner' }, 99 << 16), '08P01'],
    ['without a user', startupPacket({ database: NOBODY }), '08P01'],
    ['that is no UTF-8', startupPacket({}).fill(0xff, 8), '08P01'],
    ['of 1 MB', Buffer.concat([startupPacket({ user: 'x'.repeat(2 ** 20) })]), '54000'],
    ['of 10,001 bytes', startupPacket({ user: 'x'.repeat(10_001 - 15) }), '54000'],
  ])('%s is answered with a typed error', async (_, packet, sqlstate) => {
    expect(errorIn(await answerTo(packet))).toMatchObject({ S: 'FATAL', C: sqlstate });
  });

  test('that never becomes whole is not waited for longer than a login may take', async () => {
    const client = await rawClient(stage.port);
    client.socket.write(startupPacket({ user: 'owner', database: NOBODY }).subarray(0, 20));
    const begun = performance.now();
    const said = await client.all();
    expect(errorIn(said)).toMatchObject({ C: '08P01', M: 'the start-up took too long' });
    expect(performance.now() - begun).toBeGreaterThan(990);
  });

  test('that asks for TLS or GSSAPI is told no, once of each, and may go on', async () => {
    const ssl = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
    const gss = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]);
    const client = await rawClient(stage.port);
    client.socket.write(ssl);
    expect((await client.bytes(1)).toString()).toBe('N');
    client.socket.write(gss);
    expect((await client.bytes(2)).toString()).toBe('NN');
    client.socket.write(startupPacket({ user: 'owner', database: NOBODY }));
    expect((await client.bytes(2 + OFFER_BYTES)).toString('latin1', 2, 3)).toBe('R');
    client.socket.destroy();
    for (const request of [ssl, gss]) {
      const again = await rawClient(stage.port);
      again.socket.write(request);
      await again.bytes(1);
      again.socket.write(request);
      expect(errorIn(await again.all(), 1)).toMatchObject({ C: '08P01' });
    }
  });

  // What Postgres 18 answers to each, byte by byte: test/proxy/version.stack.test.ts.
  test.each([
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 2],
    [9999, 2],
  ])('of 3.%i with an unknown option is told so, and 3.%i', async (minor, spoken) => {
    const options = { user: 'owner', database: NOBODY, '_pq_.x': '1' };
    const client = await rawClient(stage.port);
    client.socket.write(startupPacket(options, (3 << 16) | minor));
    const said = await client.bytes(20 + OFFER_BYTES);
    const expected = `v\0\0\0\x13\0\x03\0${String.fromCharCode(spoken)}\0\0\0\x01_pq_.x\0`;
    expect(said.toString('latin1', 0, 20)).toBe(expected);
    client.socket.destroy();
  });

  test('that asks for encryption and goes on in the same breath is refused', async () => {
    const start = startupPacket({ user: 'owner', database: NOBODY });
    for (const code of [0x2f, 0x30]) {
      const request = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, code]);
      const said = await answerTo(Buffer.concat([request, start]));
      expect(errorIn(said)).toMatchObject({ C: '08P01', D: expect.stringContaining('behind') });
    }
  });
});

describe('a message of the login', () => {
  const first = startupPacket({ user: 'owner', database: NOBODY });

  test.each([
    ['a query', Buffer.from('Q\0\0\0\x0dselect 1\0', 'latin1')],
    ['a password in plain text', passwordMessage(Buffer.from('secret\0'))],
    ['an unknown mechanism', saslInitial('n,,n=,r=abc', 'SCRAM-SHA-256-PLUS')],
    ['a binding to a channel', saslInitial('p=tls-server-end-point,,n=,r=abc')],
    ['an authorization identity', saslInitial('n,a=pilot,n=,r=abc')],
    ['no nonce', saslInitial('n,,n=')],
    ['the head of a megabyte', passwordMessage(Buffer.alloc(2 ** 20)).subarray(0, 5)],
    ['a megabyte', passwordMessage(Buffer.alloc(2 ** 20, 'x'))],
    ['an impossible length', Buffer.from('p\xff\xff\xff\xff', 'latin1')],
  ])('%s is a protocol violation', async (_, message) => {
    const said = await answerTo(first, message);
    expect(errorIn(said, OFFER_BYTES)).toMatchObject({ C: '08P01', M: INVALID });
  });

  test("a final message for another's nonce is a protocol violation", async () => {
    const client = await rawClient(stage.port);
    client.socket.write(Buffer.concat([first, saslInitial('n,,n=,r=abc')]));
    const offer = await client.bytes(OFFER_BYTES + 9);
    const end = OFFER_BYTES + 1 + offer.readInt32BE(OFFER_BYTES + 1);
    await client.bytes(end);
    const { final } = prove('x', 'n=,r=abc', `r=abcother,s=AAAA,i=4096`);
    client.socket.write(passwordMessage(Buffer.from(final)));
    expect(errorIn(await client.all(), end)).toMatchObject({ C: '08P01' });
  });
});

test('bytes come in pieces of one, and the login goes on as ever', async () => {
  const client = await rawClient(stage.port);
  for (const byte of startupPacket({ user: 'owner', database: NOBODY })) {
    client.socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await client.bytes(OFFER_BYTES)).toHaveLength(OFFER_BYTES);
  client.socket.destroy();
});

test('a cancel request with an unknown key is closed without a word', async () => {
  const request = Buffer.from([0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 0, 0, 0, 2]);
  expect(await answerTo(request)).toHaveLength(0);
});
