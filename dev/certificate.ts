/**
 * A self-signed certificate for the proxy of `npm start`, so that TLS works out of the box. X.509
 * (RFC 5280) written by hand, since node:crypto reads certificates and makes none: decision 0008.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** Content of OBJECT IDENTIFIERs in hex. */
const OID = {
  commonName: '550403',
  ecdsaWithSha256: '2a8648ce3d040302',
  basicConstraints: '551d13',
  subjectAltName: '551d11',
  extKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
} as const;

/** Tags of X.690 section 8: universal ones, and `[n]` of X.509. */
const TAG = {
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
  ipAddress: 0x87,
} as const;

function lengthOf(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.from([bytes]);
  if (bytes < 0x100) return Buffer.from([0x81, bytes]);
  return Buffer.from([0x82, bytes >> 8, bytes & 0xff]);
}

/** One value in DER: tag, length, content. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(TAG.sequence, ...parts);
const oid = (name: keyof typeof OID): Buffer => der(TAG.oid, Buffer.from(OID[name], 'hex'));
const bits = (bytes: Buffer): Buffer => der(TAG.bits, Buffer.from([0]), bytes);
const extension = (name: keyof typeof OID, value: Buffer): Buffer =>
  sequence(oid(name), der(TAG.octets, value));

/** UTCTime, YYMMDDHHMMSSZ: right until 2049 (section 4.1.2.5). */
const time = (at: Date): Buffer =>
  der(TAG.utcTime, Buffer.from(`${at.toISOString().replaceAll(/\D/g, '').slice(2, 14)}Z`));

/** An IPv4 address or a DNS name. */
const altName = (name: string): Buffer =>
  /^[\d.]+$/.test(name)
    ? der(TAG.ipAddress, Buffer.from(name.split('.').map(Number)))
    : der(TAG.dnsName, Buffer.from(name));

const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;

export interface CertificateSpec {
  readonly commonName: string;
  /** IPv4 addresses and DNS names for which it is good; the first label may be `*`. */
  readonly names: readonly string[];
  readonly from: Date;
  readonly to: Date;
  /** Whether it is good for clients as well, as gates show it. */
  readonly forClients?: boolean;
}

/** Makes a P-256 key and a certificate over it that it signs itself; both in PEM. */
export function makeCertificate(spec: CertificateSpec): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(
    der(TAG.set, sequence(oid('commonName'), der(TAG.utf8, Buffer.from(spec.commonName)))),
  );
  const algorithm = sequence(oid('ecdsaWithSha256'));
  const usages = spec.forClients
    ? (['serverAuth', 'clientAuth'] as const)
    : ['serverAuth' as const];
  const extensions = sequence(
    extension('basicConstraints', sequence()),
    extension('extKeyUsage', sequence(...usages.map(oid))),
    extension('subjectAltName', sequence(...spec.names.map(altName))),
  );
  const toSign = sequence(
    der(TAG.version, der(TAG.integer, Buffer.from([2]))),
    // Positive, and never the same twice: the first byte is neither 0 nor negative.
    der(TAG.integer, Buffer.from([1]), randomBytes(15)),
    algorithm,
    name,
    sequence(time(spec.from), time(spec.to)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(TAG.extensions, extensions),
  );
  const signed = sequence(toSign, algorithm, bits(sign('sha256', toSign, privateKey)));
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { cert: pem('CERTIFICATE', signed), key: String(key) };
}
