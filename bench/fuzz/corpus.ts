/** What right clients send, for mutation. */
import { encodeStartup, encodeCancelRequest } from '../../proxy/wire.ts';

export const NONCE = 'fyko+d2lbbFgONRv9qkxdawL';

export const clientFirst = (gs2 = 'n,,'): string => `${gs2}n=,r=${NONCE}`;

/** With a proof that fits nothing. */
export const clientFinal = (nonce: string, proof = 'A'.repeat(43)): string =>
  `c=biws,r=${nonce},p=${proof}=`;

const request = (code: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(8, 0);
  bytes.writeUInt32BE(code, 4);
  return bytes;
};

export const SSL_REQUEST = request(80_877_103);
const GSSENC_REQUEST = request(80_877_104);

export const startupOf = (database: string, more: readonly (readonly [string, string])[] = []) =>
  encodeStartup([['user', 'owner'], ['database', database], ...more]);

export function firstPackets(database: string): readonly Buffer[] {
  const newer = startupOf(database, [['_pq_.some_option', 'on']]);
  newer.writeUInt32BE(0x30002, 4);
  return [
    startupOf(database),
    startupOf(database, [
      ['options', '-c geqo=off'],
      ['application_name', 'fuzz'],
    ]),
    startupOf('main', [['options', `-c endpoint=${database} -c geqo=off`]]),
    startupOf(database, [['replication', 'database']]),
    newer,
    SSL_REQUEST,
    GSSENC_REQUEST,
    encodeCancelRequest({ pid: 1, secret: Buffer.alloc(4) }),
    encodeCancelRequest({ pid: 1, secret: Buffer.alloc(32) }),
    Buffer.concat([SSL_REQUEST, startupOf(database)]),
  ];
}

/** Type, length, body. */
export function passwordMessage(body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write('p');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function saslInitial(data = clientFirst(), mechanism = 'SCRAM-SHA-256'): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(data));
  return passwordMessage(Buffer.concat([Buffer.from(`${mechanism}\0`), length, Buffer.from(data)]));
}
