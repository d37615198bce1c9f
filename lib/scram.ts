/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) as Postgres stores and speaks it: verifiers, and the server's
 * side of an exchange. Verifier form: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`
 * (src/common/scram-common.c of Postgres).
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const pbkdf2Async = promisify(pbkdf2);
const KEY_BYTES = 32;
export const SALT_BYTES = 16;

export interface Verifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const hmac = (key: Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** Derives the verifier of a password. 4,096 iterations take about 1.5 ms off the main thread. */
export async function makeVerifier(
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<string> {
  const salted = await pbkdf2Async(
    password.normalize('NFKC'),
    salt,
    iterations,
    KEY_BYTES,
    'sha256',
  );
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  const serverKey = hmac(salted, 'Server Key');
  return [
    `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}`,
    `${storedKey.toString('base64')}:${serverKey.toString('base64')}`,
  ].join('$');
}

const VERIFIER =
  /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

/** Reads a stored verifier; undefined for anything else (an md5 entry, say). */
export function parseVerifier(text: string): Verifier | undefined {
  const match = VERIFIER.exec(text);
  if (match === null) return undefined;
  const [, iterations, salt, storedKey, serverKey] = match;
  const verifier = {
    iterations: Number(iterations),
    salt: Buffer.from(salt ?? '', 'base64'),
    storedKey: Buffer.from(storedKey ?? '', 'base64'),
    serverKey: Buffer.from(serverKey ?? '', 'base64'),
  };
  const whole = verifier.storedKey.length === KEY_BYTES && verifier.serverKey.length === KEY_BYTES;
  return whole ? verifier : undefined;
}

/**
 * A verifier that no password fits, always the same for the same name: what an unknown database or
 * role answers with, so that nobody can tell it from a wrong password.
 */
export function mockVerifier(fleetSecret: string, name: string, iterations: number): Verifier {
  const key = Buffer.from(fleetSecret);
  return {
    iterations,
    salt: hmac(key, `salt:${name}`).subarray(0, SALT_BYTES),
    storedKey: hmac(key, `stored:${name}`),
    serverKey: hmac(key, `server:${name}`),
  };
}

/**
 * Checks a client's proof: ClientKey = proof XOR HMAC(StoredKey, AuthMessage), and its hash must be
 * the StoredKey. @returns the server's signature, or undefined if the proof is false.
 */
export function checkProof(
  verifier: Verifier,
  authMessage: string,
  proof: Buffer,
): Buffer | undefined {
  if (proof.length !== KEY_BYTES) return undefined;
  const signature = hmac(verifier.storedKey, authMessage);
  const clientKey = Buffer.alloc(KEY_BYTES);
  for (let i = 0; i < KEY_BYTES; i++) clientKey[i] = (proof[i] ?? 0) ^ (signature[i] ?? 0);
  const hashed = createHash('sha256').update(clientKey).digest();
  return timingSafeEqual(hashed, verifier.storedKey)
    ? hmac(verifier.serverKey, authMessage)
    : undefined;
}
