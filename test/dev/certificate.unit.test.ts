/** The certificate that is written by hand, as Node's own OpenSSL reads it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { makeCertificate } from '../../dev/certificate.ts';
import { provideCertificate } from '../../dev/proxy-certificate.ts';
import { replaceFile } from '../../lib/files.ts';

const FROM = new Date('2026-01-02T03:04:05Z');
const TO = new Date('2028-11-12T13:14:15Z');

describe('a certificate', () => {
  const { cert, key } = makeCertificate({
    commonName: 'pilotlight',
    names: [
      '127.0.0.1',
      'localhost',
      '*.pilotlight.localhost',
      `${'x'.repeat(60)}.${'y'.repeat(60)}.example`,
    ],
    from: FROM,
    to: TO,
  });
  const read = new X509Certificate(cert);

  test('is signed by its own key and says when it is good', () => {
    expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(read.verify(read.publicKey)).toBe(true);
    expect(new Date(read.validFrom)).toEqual(FROM);
    expect(new Date(read.validTo)).toEqual(TO);
    expect(read.issuer).toBe('CN=pilotlight');
    expect(read.ca).toBe(false);
    expect(read.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  });

  test('is good for its names and for no others', () => {
    expect(read.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(read.checkIP('127.0.0.2')).toBeUndefined();
    expect(read.checkHost('localhost')).toBe('localhost');
    expect(read.checkHost('db-aaaaaaaaaaaaaaaaaaaa.pilotlight.localhost')).toBe(
      '*.pilotlight.localhost',
    );
    expect(read.checkHost('example.com')).toBeUndefined();
  });

  test('is never the same twice', () => {
    const spec = { commonName: 'pilotlight', names: [], from: FROM, to: TO };
    const serials = [1, 2, 3].map(
      () => new X509Certificate(makeCertificate(spec).cert).serialNumber,
    );
    expect(new Set(serials).size).toBe(3);
  });
});

describe("a home's certificate", () => {
  let state: string;
  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'pl-certificate-'));
  });
  afterEach(() => rm(state, { recursive: true }));

  test('is made once, and its key is for one user', async () => {
    const paths = await provideCertificate(state, undefined);
    const made = await readFile(paths.cert, 'utf8');
    const left = Date.parse(new X509Certificate(made).validTo) - Date.now();
    expect(left).toBeGreaterThan(700 * 86_400_000);
    expect((await stat(paths.key)).mode & 0o777).toBe(0o600);
    await provideCertificate(state, undefined);
    expect(await readFile(paths.cert, 'utf8')).toBe(made);
  });

  test('is made anew before it ends', async () => {
    const paths = await provideCertificate(state, undefined);
    const to = new Date(Date.now() + 59 * 86_400_000);
    const old = makeCertificate({ commonName: 'old', names: [], from: FROM, to });
    await replaceFile(paths.cert, old.cert);
    await replaceFile(paths.key, old.key);
    await provideCertificate(state, undefined);
    const found = new X509Certificate(await readFile(paths.cert));
    expect(found.issuer).toBe('CN=pilotlight');
    const key = createPrivateKey(await readFile(paths.key));
    expect(found.checkPrivateKey(key)).toBe(true);
  });
});
