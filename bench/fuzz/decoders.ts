/**
 * Every decoder that bytes reach before a password is proven, a client's and Postgres', on bytes that are
 * nearly right.
 */
import { parseVerifier } from '../../lib/verifier.ts';
import { AppError } from '../../model/errors.ts';
import { decodePassword } from '../../proxy/client-reader.ts';
import { beginExchange, finishExchange, parseClientFirst } from '../../proxy/scram-exchange.ts';
import { decodeFirstPacket, readLogin } from '../../proxy/startup.ts';
import {
  decodeBackendKey,
  decodeErrorResponse,
  decodeSaslInitial,
  decodeSaslResponse,
} from '../../proxy/wire.ts';
import { clientFinal, clientFirst, firstPackets, NONCE } from './corpus.ts';
import { mutate, pick } from './mutate.ts';

/** A decoder takes microseconds; what takes this long has a trap for whoever finds the right bytes. */
const SLOW_MS = 50;
/** Between two looks at the clock. */
const BATCH = 500;

const verifier = {
  iterations: 4096,
  salt: Buffer.alloc(16),
  storedKey: Buffer.alloc(32),
  serverKey: Buffer.alloc(32),
};
const MECHANISMS = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'];
const exchange = beginExchange(
  parseClientFirst(clientFirst(), 'SCRAM-SHA-256', MECHANISMS),
  'server',
  verifier,
);

const text = (bytes: Buffer): string => bytes.toString('utf8');

interface Decoder {
  readonly name: string;
  readonly corpus: readonly Buffer[];
  readonly decode: (bytes: Buffer) => unknown;
}

const DECODERS: readonly Decoder[] = [
  {
    name: 'first packet',
    corpus: firstPackets('db-aaaaaaaaaaaaaaaaaaaa'),
    decode(bytes) {
      const first = decodeFirstPacket(bytes)?.value;
      if (first?.kind === 'startup') readLogin(first, text(bytes.subarray(0, 60)));
    },
  },
  {
    name: 'password message',
    corpus: [Buffer.concat([Buffer.from('p'), Buffer.from([0, 0, 0, 10]), Buffer.from('secret')])],
    decode: decodePassword,
  },
  {
    name: 'SASL initial response',
    corpus: [Buffer.from(`SCRAM-SHA-256\0\0\0\0\x20${clientFirst()}`)],
    decode(bytes) {
      const { data, mechanism } = decodeSaslInitial(bytes);
      parseClientFirst(data, mechanism, MECHANISMS);
    },
  },
  {
    name: 'client-first',
    corpus: ['n,,', 'y,,', 'p=tls-server-end-point,,'].map((gs2) => Buffer.from(clientFirst(gs2))),
    decode: (bytes) => parseClientFirst(text(bytes), 'SCRAM-SHA-256', MECHANISMS),
  },
  {
    name: 'client-final',
    corpus: [Buffer.from(clientFinal(`${NONCE}server`))],
    decode: (bytes) => finishExchange(exchange, decodeSaslResponse(bytes), [verifier]),
  },
  {
    name: 'verifier',
    corpus: [
      Buffer.from(`SCRAM-SHA-256$4096:${'A'.repeat(22)}==$${'A'.repeat(43)}=:${'A'.repeat(43)}=`),
    ],
    decode: (bytes) => parseVerifier(text(bytes)),
  },
  {
    name: "Postgres' error",
    corpus: [Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0')],
    decode: decodeErrorResponse,
  },
  { name: "Postgres' key", corpus: [Buffer.alloc(8), Buffer.alloc(36)], decode: decodeBackendKey },
];

export interface Decoded {
  readonly decoded: number;
  readonly crashes: number;
  readonly slow: number;
}

/** Until the time is over. @param say told of every input that was not taken as it should be. */
export async function fuzzDecoders(
  untilMs: number,
  random: () => number,
  say: (line: string) => void,
): Promise<Decoded> {
  const counts = { decoded: 0, crashes: 0, slow: 0 };
  while (performance.now() < untilMs) {
    for (let n = 0; n < BATCH; n++) {
      const { name, corpus, decode } = pick(DECODERS, random);
      const input = mutate(pick(corpus, random), corpus, random);
      const began = performance.now();
      try {
        decode(input);
      } catch (error) {
        if (!(error instanceof AppError)) {
          counts.crashes += 1;
          say(`${name}: ${String(error)}: ${input.toString('hex').slice(0, 400)}`);
        }
      }
      counts.decoded += 1;
      if (performance.now() - began > SLOW_MS) {
        counts.slow += 1;
        say(`${name}: slow: ${input.toString('hex').slice(0, 400)}`);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return counts;
}
