/** The channel binding of RFC 5929 over certificates as OpenSSL made them, one for each way to sign. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeCertificate } from '../../dev/certificate.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { endPointOf } from '../../proxy/end-point.ts';

const file = join(PACKAGE_ROOT, 'test/proxy/certificates.json');
/** DER in base64 by how it is signed; the keys have been thrown away. */
const CERTIFICATES = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
const derOf = (name: string): Buffer => Buffer.from(CERTIFICATES[name] ?? '', 'base64');

test.each([
  ['ecdsa-sha384', 'sha384'],
  ['rsa-sha512', 'sha512'],
  ['rsa-pss-sha384', 'sha384'],
  // Section 4.1: MD5 and SHA-1 are too weak and stand for SHA-256.
  ['rsa-pss-sha1', 'sha256'],
  ['rsa-md5', 'sha256'],
])('of a certificate signed by %s is its %s', (name, hash) => {
  const der = derOf(name);
  expect(endPointOf(der)).toEqual(createHash(hash).update(der).digest());
});

test('is not defined for a signature without a hash of its own', () => {
  expect(endPointOf(derOf('ed25519'))).toBeUndefined();
});

test('of the certificate of npm start is its SHA-256', () => {
  const to = new Date(Date.now() + 1_000_000);
  const { cert } = makeCertificate({ commonName: 'x', names: [], from: new Date(), to });
  const der = new X509Certificate(cert).raw;
  expect(endPointOf(der)).toEqual(createHash('sha256').update(der).digest());
});
