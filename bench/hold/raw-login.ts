/** A client of Postgres as small as can be, so that thousands of them fit into one process. */
import { createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { hmac } from '../../lib/verifier.ts';
import { decodeErrorResponse, decodeMessage, encodeStartup, MESSAGE } from '../../proxy/wire.ts';
import { passwordMessage, saslInitial } from '../fuzz/corpus.ts';

/** AuthenticationRequest codes: https://www.postgresql.org/docs/18/protocol-message-formats.html */
const AUTH = { sasl: 10, continue: 11, final: 12 } as const;
const BYTES_MAX = 64 * 1024;

/** What a client proves with: SaltedPassword of RFC 5802, by salt, so that it is derived once. */
export interface Secret {
  readonly saltedBy: (salt: Buffer, iterations: number) => Buffer;
}

export function secretOf(password: string): Secret {
  const known = new Map<string, Buffer>();
  return {
    saltedBy(salt, iterations) {
      const key = `${salt.toString('base64')} ${iterations}`;
      let salted = known.get(key);
      if (salted === undefined) {
        salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
        known.set(key, salted);
      }
      return salted;
    },
  };
}

/** Fits nothing, and costs nothing to make. */
export const FALSE_SECRET: Secret = { saltedBy: () => Buffer.alloc(32) };

/** Client-final of RFC 5802. */
function finalOf(bare: string, serverFirst: string, secret: Secret): string {
  const field = (name: string): string =>
    new RegExp(`(?:^|,)${name}=([^,]*)`).exec(serverFirst)?.[1] ?? '';
  const salted = secret.saltedBy(Buffer.from(field('s'), 'base64'), Number(field('i')));
  const clientKey = hmac(salted, 'Client Key');
  const stored = createHash('sha256').update(clientKey).digest();
  const withoutProof = `c=biws,r=${field('r')}`;
  const signature = hmac(stored, `${bare},${serverFirst},${withoutProof}`);
  const proof = clientKey.map((byte, i) => byte ^ signature.readUInt8(i));
  return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
}

export interface RawLogin {
  readonly port: number;
  readonly database: string;
  readonly role: string;
  readonly secret: Secret;
}

/**
 * Logs in as far as the proof. @returns the socket of a client that is let in and waits for its database.
 * @throws an Error whose message is the SQLSTATE of the refusal, or what the socket says.
 */
export function rawLogin({ port, database, role, secret }: RawLogin): Promise<Socket> {
  const nonce = randomBytes(18).toString('base64');
  const bare = `n=,r=${nonce}`;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  return new Promise((resolve, reject) => {
    let pending = Buffer.alloc(0);
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(why));
    };
    function take(type: number, body: Buffer): void {
      if (type === MESSAGE.error) return fail(decodeErrorResponse(body)['C'] ?? 'no SQLSTATE');
      const code = body.readInt32BE(0);
      if (code === AUTH.sasl) socket.write(saslInitial(`n,,${bare}`));
      if (code === AUTH.continue)
        socket.write(passwordMessage(Buffer.from(finalOf(bare, body.toString('utf8', 4), secret))));
      if (code !== AUTH.final) return;
      socket.off('data', onData).resume();
      resolve(socket);
    }
    function onData(chunk: Buffer): void {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const message = decodeMessage(pending, 0, BYTES_MAX);
        if (message === undefined) return;
        pending = pending.subarray(message.used);
        take(message.value.type, message.value.body);
      }
    }
    socket.on('data', onData);
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('closed'));
    socket.once('connect', () =>
      socket.write(
        encodeStartup([
          ['user', role],
          ['database', database],
        ]),
      ),
    );
  });
}
