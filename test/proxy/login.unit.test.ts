import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mockVerifier } from '../../lib/scram.ts';
import { makeVerifier, parseVerifier, type Verifier } from '../../lib/verifier.ts';
import { AppError } from '../../model/errors.ts';
import type { AccessAnswer } from '../../model/wire.ts';
import { isAllowed, verifiersOf } from '../../proxy/login.ts';
import { createLru } from '../../proxy/lru.ts';
import { findUser } from '../../proxy/privileges.ts';
import {
  beginExchange,
  finishExchange,
  isDowngraded,
  mechanismsOf,
  parseClientFirst,
} from '../../proxy/scram-exchange.ts';
import { prove } from './scram-client.ts';

async function verifierOf(password: string, salt: Buffer, iterations: number): Promise<Verifier> {
  const verifier = parseVerifier(await makeVerifier(password, salt, iterations));
  if (verifier === undefined) throw new Error('no verifier');
  return verifier;
}

const violates = (work: () => unknown): boolean => {
  try {
    work();
  } catch (error) {
    return error instanceof AppError && error.code === 'protocol_violation';
  }
  return false;
};

const PLAIN = 'SCRAM-SHA-256';
const PLUS = 'SCRAM-SHA-256-PLUS';

/** Without TLS. */
const firstOf = (text: string) => parseClientFirst(text, PLAIN, mechanismsOf(false));

describe('the exchange', () => {
  test('of RFC 7677 section 3 is the same byte for byte', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const verifier = await verifierOf('pencil', salt, 4096);
    const first = firstOf('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    const exchange = beginExchange(first, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0', verifier);
    expect(exchange.serverFirst).toBe(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    const final =
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    expect(finishExchange(exchange, final, [verifier])).toBe(
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  test('with a client written from the RFC alone: right passwords pass, wrong ones do not', async () => {
    const nonce = fc.stringMatching(/^[!-+\--~]{1,30}$/);
    const password = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 });
    const salt = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const bits = fc.constantFrom('n,,', 'y,,');
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(password, password, password),
        fc.tuple(nonce, nonce),
        salt,
        bits,
        async ([one, two, wrong], [ours, theirs], saltBytes, header) => {
          fc.pre(wrong !== one && wrong !== two);
          const salted = Buffer.from(saltBytes);
          const newest = await verifierOf(one, salted, 10);
          const both = [newest, await verifierOf(two, salted, 10)];
          const bare = `n=,r=${ours}`;
          const exchange = beginExchange(firstOf(header + bare), theirs, newest);
          for (const word of [one, two]) {
            const { final, serverFinal } = prove(word, bare, exchange.serverFirst, header);
            expect(finishExchange(exchange, final, both)).toBe(serverFinal);
          }
          const { final } = prove(wrong, bare, exchange.serverFirst, header);
          expect(finishExchange(exchange, final, both)).toBeUndefined();
        },
      ),
      { numRuns: 50 },
    );
  });

  test.each([
    'n,,r=abc',
    'n,,n=,r=',
    'n,,n=,r=a,b',
    'n,,n=,r=ä',
    'n,,m=x,n=,r=abc',
    'x,,n=,r=abc',
    'n,a=other,n=,r=abc',
    'p=tls-unique,,n=,r=abc',
    'n=,r=abc',
    '',
  ])('refuses the first message %p', (text) => {
    expect(violates(() => firstOf(text))).toBe(true);
  });

  test.each(['n,,n=,r=abc', 'y,,n=user,r=abc', 'n,,n=user,r=abc,x=ext'])('takes %p', (text) => {
    expect(firstOf(text).nonce).toBe('abc');
  });

  test('refuses a final message that is laid out wrongly, or of another exchange', () => {
    const mock = mockVerifier('secret', 'name', 4096);
    const exchange = beginExchange(firstOf('n,,n=,r=abc'), 'def', mock);
    const { final } = prove('x', 'n=,r=abc', exchange.serverFirst);
    const proof = final.slice(final.indexOf(',p='));
    for (const text of [
      '',
      `r=abcdef${proof}`,
      `c=eSws,r=abcdef${proof}`,
      `c=biws,r=abcxyz${proof}`,
      `c=biws,r=abcdef,p=AAAA`,
      `c=biws,r=abcdef${proof},x=1`,
      `c=biws,r=abcdef`,
    ])
      expect([text, violates(() => finishExchange(exchange, text, [mock]))]).toEqual([text, true]);
    expect(finishExchange(exchange, final, [mock])).toBeUndefined();
  });
});

describe('an exchange that binds to the channel', () => {
  const offered = mechanismsOf(true);
  const bound = 'p=tls-server-end-point,,';
  const endPoint = Buffer.from('ab'.repeat(32), 'hex');

  test('is offered first, and only where there is a channel', () => {
    expect(offered).toEqual([PLUS, PLAIN]);
    expect(mechanismsOf(false)).toEqual([PLAIN]);
  });

  test('takes the proof that has the hash of the certificate, and no other', async () => {
    const verifier = await verifierOf('pencil', Buffer.alloc(16, 1), 10);
    const first = parseClientFirst(`${bound}n=,r=abc`, PLUS, offered);
    const exchange = beginExchange(first, 'def', verifier, endPoint);
    const proveBound = (hash: Buffer) =>
      prove('pencil', 'n=,r=abc', exchange.serverFirst, bound, hash);
    const { final, serverFinal } = proveBound(endPoint);
    expect(finishExchange(exchange, final, [verifier])).toBe(serverFinal);
    for (const other of [Buffer.alloc(0), Buffer.alloc(32), endPoint.subarray(1)]) {
      const { final: wrong } = proveBound(other);
      expect(violates(() => finishExchange(exchange, wrong, [verifier]))).toBe(true);
    }
  });

  test.each([
    ['n,,n=,r=abc', PLUS],
    ['y,,n=,r=abc', PLUS],
    [`${bound}n=,r=abc`, PLAIN],
    ['p=tls-unique,,n=,r=abc', PLUS],
    ['p=tls-exporter,,n=,r=abc', PLUS],
    ['p=,,n=,r=abc', PLUS],
    ['p=tls-server-end-point,a=x,n=,r=abc', PLUS],
    [`${bound}n=,r=abc`, 'SCRAM-SHA-1-PLUS'],
  ])('is not begun by %p of %p', (text, mechanism) => {
    expect(violates(() => parseClientFirst(text, mechanism, offered))).toBe(true);
  });

  test('is a downgrade if the client says that we had offered none', () => {
    const isDown = (text: string, inside: boolean): boolean => {
      const ours = mechanismsOf(inside);
      return isDowngraded(parseClientFirst(text, PLAIN, ours), ours);
    };
    expect(isDown('y,,n=,r=abc', true)).toBe(true);
    expect(isDown('n,,n=,r=abc', true)).toBe(false);
    expect(isDown('y,,n=,r=abc', false)).toBe(false);
  });
});

describe('the verifiers of a login', () => {
  const login = { database: 'db-aaaaaaaaaaaaaaaaaaaa', role: 'owner' };
  const access = (roles: AccessAnswer['roles']): AccessAnswer => ({
    database: login.database,
    tenant: 'acme',
    version: 1,
    roles,
    allow: [],
    tls: 'optional',
    idle_ms: 0,
  });
  const mock = mockVerifier('secret', `${login.database}/owner`, 4096);

  test('are the stored ones, in their order', async () => {
    const salt = Buffer.alloc(16, 1);
    const texts = await Promise.all(['a', 'b'].map((word) => makeVerifier(word, salt, 10)));
    const found = verifiersOf(access({ owner: { verifiers: texts } }), login, 'secret');
    expect(found).toEqual(texts.map(parseVerifier));
  });

  test('are mock ones for what is unknown, md5, the superuser, and names of JavaScript', async () => {
    const md5 = { verifiers: [`md5${'0'.repeat(32)}`] };
    expect(verifiersOf(undefined, login, 'secret')).toEqual([mock]);
    expect(verifiersOf(access({}), login, 'secret')).toEqual([mock]);
    expect(verifiersOf(access({ owner: md5 }), login, 'secret')).toEqual([mock]);
    const good = { verifiers: [await makeVerifier('a', Buffer.alloc(16, 1), 4096)] };
    for (const role of ['pilot', '__proto__', 'constructor', 'x'.repeat(64)]) {
      const roles = { pilot: good, ['x'.repeat(64)]: good };
      const [found] = verifiersOf(access(roles), { ...login, role }, 'secret');
      expect(found).toEqual(mockVerifier('secret', `${login.database}/${role}`, 4096));
    }
  });
});

test('an allow list takes addresses of its blocks, of both families; an empty one takes all', () => {
  const allow = ['10.0.0.0/8', '192.168.1.7', '2001:db8::/32'];
  for (const source of ['10.9.8.7', '192.168.1.7', '2001:db8::1'])
    expect(isAllowed(allow, source)).toBe(true);
  for (const source of ['11.0.0.1', '192.168.1.8', '2001:db9::1'])
    expect(isAllowed(allow, source)).toBe(false);
  expect(isAllowed([], '11.0.0.1')).toBe(true);
  for (const block of ['nonsense', '11.0.0.0/99', '11.0.0.0/', '/8', '11.0.0.0/x'])
    expect(isAllowed([block], '11.0.0.1')).toBe(false);
});

test('an LRU map keeps what was used last', () => {
  const lru = createLru<number>(2);
  lru.set('a', 1);
  lru.set('b', 2);
  expect(lru.get('a')).toBe(1);
  lru.set('c', 3);
  expect([lru.get('a'), lru.get('b'), lru.get('c'), lru.size()]).toEqual([1, undefined, 3, 2]);
});

test('a user is found in passwd by the whole name', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:2::/:/bin/false\n';
  expect(findUser(passwd, 'daemon')).toEqual({ name: 'daemon', uid: 1, gid: 2 });
  expect(findUser(passwd, 'daem')).toBeUndefined();
});
