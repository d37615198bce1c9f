/**
 * What SCRAM-SHA-256 (RFC 5802, RFC 7677) stores of a password. Verifier form:
 * `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`
 * (src/common/scram-common.c of Postgres).
 */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { AppError } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import { SCRAM_ITERATIONS } from '../model/limits.ts';

const pbkdf2Async = promisify(pbkdf2);
export const KEY_BYTES = 32;
export const SALT_BYTES = 16;

export interface Verifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export const hmac = (key: Buffer, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest();

/** Derives the verifier of a password. 4,096 iterations take about 1.5 ms off the main thread. */
export async function makeVerifier(
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<string> {
  const prepared = password.normalize('NFKC');
  const salted = await pbkdf2Async(prepared, salt, iterations, KEY_BYTES, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  const serverKey = hmac(salted, 'Server Key');
  return [
    `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}`,
    `${storedKey.toString('base64')}:${serverKey.toString('base64')}`,
  ].join('$');
}

const VERIFIER =
  /^SCRAM-SHA-256\$([1-9]\d{0,4}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

/** Reads a stored verifier; undefined for anything else (an md5 entry, say; more iterations than one may ask of us). */
export function parseVerifier(text: string): Verifier | undefined {
  const match = VERIFIER.exec(text);
  if (match === null) return undefined;
  const [, iterations, ...parts] = match;
  const bytes = parts.map((part) => Buffer.from(part, 'base64'));
  const [salt, storedKey, serverKey] = bytes as [Buffer, Buffer, Buffer];
  const verifier = { iterations: Number(iterations), salt, storedKey, serverKey };
  const whole = verifier.storedKey.length === KEY_BYTES && verifier.serverKey.length === KEY_BYTES;
  return whole ? verifier : undefined;
}

/** 144 bits, in characters that need no quoting anywhere. */
export const makePassword = (): string => randomBytes(18).toString('base64url');

/**
 * Roles of an identity document with a new password for one of them, beside its oldest: with the same
 * salt and iterations, so that one exchange serves both. What is no SCRAM verifier goes.
 * @param password undefined: of the role's only the newest stays.
 * @param alone in the place of all instead, with the same salt still: a proxy may have begun by it.
 * @throws AppError `bad_request` if there is no such role.
 */
export async function withPassword(
  roles: Identity['roles'],
  role: string,
  password: string | undefined,
  alone = false,
): Promise<Pick<Identity, 'roles'>> {
  const known = Object.hasOwn(roles, role) ? roles[role]?.verifiers : undefined;
  if (known === undefined) throw new AppError('bad_request', { detail: 'no such role' });
  if (password === undefined)
    return { roles: { ...roles, [role]: { ...roles[role], verifiers: known.slice(-1) } } };
  const [oldest = ''] = known;
  const fresh = { salt: randomBytes(SALT_BYTES), iterations: SCRAM_ITERATIONS };
  const like = parseVerifier(oldest) ?? fresh;
  const added = await makeVerifier(password, like.salt, like.iterations);
  const verifiers = 'storedKey' in like && !alone ? [oldest, added] : [added];
  return { roles: { ...roles, [role]: { ...roles[role], verifiers } } };
}
