import { describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import {
  createSealingKeys,
  openBox,
  passwordContext,
  sealBox,
  sealingPublicKey,
} from '../../lib/sealed-box.ts';

const keys = createSealingKeys();

describe('a sealed box', () => {
  test('gives back any text to the private key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
        const box = sealBox(keys.publicKey, text, context);
        expect(openBox(keys.privateKey, box, context)).toBe(text);
      }),
    );
  });

  test('is another one each time, and shows nothing of the text', () => {
    const [a, b] = [1, 2].map(() => sealBox(keys.publicKey, 'hunter2-hunter2', 'x'));
    expect(a).not.toBe(b);
    expect(Buffer.from(a ?? '', 'base64url').toString('latin1')).not.toContain('hunter2');
  });

  test('does not open for another key or another context', () => {
    const box = sealBox(keys.publicKey, 'text', 'context');
    expect(openBox(createSealingKeys().privateKey, box, 'context')).toBeUndefined();
    expect(openBox(keys.privateKey, box, 'contexu')).toBeUndefined();
  });

  test('does not open with any bit changed, or cut', () => {
    const box = sealBox(keys.publicKey, 'text', 'context');
    const bytes = Buffer.from(box.slice(3), 'base64url');
    for (let i = 0; i < bytes.length * 8; i++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(i >> 3) ^ (1 << (i & 7)), i >> 3);
      // RFC 7748: the highest bit of a public key is not part of it, but it is part of the salt.
      const opened = openBox(keys.privateKey, `v1.${changed.toString('base64url')}`, 'context');
      expect(opened).toBeUndefined();
    }
    for (let length = 0; length < bytes.length; length += 5) {
      const cut = bytes.subarray(0, length).toString('base64url');
      expect(openBox(keys.privateKey, `v1.${cut}`, 'context')).toBeUndefined();
    }
    expect(openBox(keys.privateKey, box.replace('v1.', 'v2.'), 'context')).toBeUndefined();
  });

  test('of a public key without order (all zero) is not opened', () => {
    const zero = Buffer.alloc(60).toString('base64url');
    expect(openBox(keys.privateKey, `v1.${zero}`, '')).toBeUndefined();
  });
});

describe('keys for sealing', () => {
  test('the private key knows its public half', () => {
    expect(sealingPublicKey(keys.privateKey)).toBe(keys.publicKey);
    expect(Buffer.from(keys.publicKey, 'base64url')).toHaveLength(32);
  });

  test('what is no key is refused', () => {
    expect(() => sealBox('AAAA', 'text', '')).toThrow('not a public key');
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(() => sealingPublicKey(pem)).toThrow('not a private key');
  });

  test('the context of a password names all three, without a seam', () => {
    expect(passwordContext('r', 'd', 'o')).not.toBe(passwordContext('r', 'd","o', ''));
  });
});
