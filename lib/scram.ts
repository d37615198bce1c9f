/**
 * The server's side of a SCRAM-SHA-256 exchange (RFC 5802, RFC 7677): proofs, and what answers for a
 * role that does not exist.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { hmac, KEY_BYTES, SALT_BYTES, type Verifier } from './verifier.ts';

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
  const clientKey = proof.map((byte, i) => byte ^ signature.readUInt8(i));
  const hashed = createHash('sha256').update(clientKey).digest();
  return timingSafeEqual(hashed, verifier.storedKey)
    ? hmac(verifier.serverKey, authMessage)
    : undefined;
}
