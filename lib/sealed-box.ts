/**
 * Sealed boxes: whoever has the public key can put a text in, only the private key takes it out.
 * X25519 with a key pair made for each box, HKDF-SHA-256 (RFC 5869) over the shared secret with both
 * public keys as salt, AES-256-GCM. The context (for what the box is) is authenticated with it, so
 * that a box can not be moved to another row.
 *
 * A box is `v1.` and base64url of: the box's public key (32 bytes), the tag (16), the ciphertext.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';

const VERSION = 'v1.';
const INFO = 'pilotlight sealed box v1';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

export interface SealingKeys {
  /** 32 bytes as base64url: for those who seal. */
  readonly publicKey: string;
  /** PEM, PKCS #8: for a file that only its owner reads. */
  readonly privateKey: string;
}

/** @throws Error if it is not the 32 bytes of an X25519 key. */
function publicKeyOf(text: string): KeyObject {
  if (Buffer.from(text, 'base64url').length !== KEY_BYTES)
    throw new Error('not a public key for sealing');
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x: text } });
}

const bytesOf = (key: KeyObject): Buffer =>
  Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url');

export function createSealingKeys(): SealingKeys {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return {
    publicKey: bytesOf(publicKey).toString('base64url'),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** The public half. @throws Error if it is no X25519 private key. */
export function sealingPublicKey(privateKey: string): string {
  const key = createPrivateKey(privateKey);
  if (key.asymmetricKeyType !== 'x25519') throw new Error('not a private key for sealing');
  return bytesOf(createPublicKey(key)).toString('base64url');
}

/** A key and a nonce that serve one box: its key pair is never used again. */
function secretsOf(own: KeyObject, other: KeyObject, salt: readonly Buffer[]) {
  const shared = diffieHellman({ privateKey: own, publicKey: other });
  const bytes = Buffer.from(
    hkdfSync('sha256', shared, Buffer.concat([...salt]), INFO, KEY_BYTES + IV_BYTES),
  );
  return { key: bytes.subarray(0, KEY_BYTES), iv: bytes.subarray(KEY_BYTES) };
}

/** @throws Error if `publicKey` is none. */
export function sealBox(publicKey: string, text: string, context: string): string {
  const recipient = publicKeyOf(publicKey);
  const once = generateKeyPairSync('x25519');
  const from = bytesOf(once.publicKey);
  const { key, iv } = secretsOf(once.privateKey, recipient, [from, bytesOf(recipient)]);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return VERSION + Buffer.concat([from, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** @returns undefined if it is no box, is another key's or another context's, or was changed. */
export function openBox(privateKey: string, box: string, context: string): string | undefined {
  const bytes = Buffer.from(box.slice(VERSION.length), 'base64url');
  if (!box.startsWith(VERSION) || bytes.length < KEY_BYTES + TAG_BYTES) return undefined;
  const own = createPrivateKey(privateKey);
  const from = bytes.subarray(0, KEY_BYTES);
  try {
    const sender = publicKeyOf(from.toString('base64url'));
    const { key, iv } = secretsOf(own, sender, [from, bytesOf(createPublicKey(own))]);
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(KEY_BYTES, KEY_BYTES + TAG_BYTES));
    const sealed = bytes.subarray(KEY_BYTES + TAG_BYTES);
    return decipher.update(sealed, undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return undefined;
  }
}

/** What a sealed password is for: box and row must agree. */
export const passwordContext = (rotation: string, database: string, role: string): string =>
  JSON.stringify([rotation, database, role]);
