/**
 * Channel binding of type `tls-server-end-point` (RFC 5929 section 4): the hash of the server's own
 * certificate, by the hash function of the certificate's signature. Pure: DER in, bytes out.
 */
import { createHash } from 'node:crypto';

/** Content of an OBJECT IDENTIFIER in hex → hash. MD5 and SHA-1 stand for SHA-256 (section 4.1). */
const HASHES: Readonly<Record<string, string>> = {
  // 1.2.840.113549.1.1: PKCS #1, RFC 8017 appendix C.
  '2a864886f70d010104': 'sha256',
  '2a864886f70d010105': 'sha256',
  '2a864886f70d01010e': 'sha224',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  // 1.2.840.10045.4: ECDSA, RFC 5758 section 3.2.
  '2a8648ce3d0401': 'sha256',
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  // 2.16.840.1.101.3.4.2: the hashes themselves, as RSASSA-PSS names them.
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
  '608648016503040204': 'sha224',
};
/** id-RSASSA-PSS: the hash is in the parameters, SHA-1 where they name none (RFC 4055 section 3.1). */
const RSASSA_PSS = '2a864886f70d01010a';

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
/** `[0] hashAlgorithm` of RSASSA-PSS-params. */
const HASH_ALGORITHM = 0xa0;

/** The content of the value at `offset`, and where the next one begins. */
function valueAt(der: Buffer, offset: number): { tag: number; content: Buffer; end: number } {
  const tag = der[offset] ?? 0;
  const first = der[offset + 1] ?? 0;
  // X.690 section 8.1.3: up to 127 in one byte, else the number of bytes that follow.
  const more = first < 0x80 ? 0 : first & 0x7f;
  const length = more === 0 ? first : der.readUIntBE(offset + 2, more);
  const begin = offset + 2 + more;
  return { tag, content: der.subarray(begin, begin + length), end: begin + length };
}

/** The name of an AlgorithmIdentifier's OBJECT IDENTIFIER in hex, and its parameters. */
function algorithmOf(content: Buffer): { name: string; parameters: Buffer } {
  const { tag, content: name, end } = valueAt(content, 0);
  return {
    name: tag === OBJECT_IDENTIFIER ? name.toString('hex') : '',
    parameters: content.subarray(end),
  };
}

/** Of a certificate in DER. @returns undefined if its signature has no hash function of its own. */
function hashOf(der: Buffer): string | undefined {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }
  const { content } = valueAt(der, 0);
  const { end } = valueAt(content, 0);
  const { name, parameters } = algorithmOf(valueAt(content, end).content);
  if (name !== RSASSA_PSS) return HASHES[name];
  const named = parameters.length === 0 ? undefined : valueAt(parameters, 0);
  if (named?.tag !== SEQUENCE || named.content[0] !== HASH_ALGORITHM) return 'sha256';
  return HASHES[algorithmOf(valueAt(valueAt(named.content, 0).content, 0).content).name];
}

/**
 * What both sides of TLS bind to.
 * @param der the certificate that the server shows.
 * @returns undefined where RFC 5929 defines none, as for Ed25519: then nothing can be bound.
 */
export function endPointOf(der: Buffer): Buffer | undefined {
  const hash = hashOf(der);
  return hash === undefined ? undefined : createHash(hash).update(der).digest();
}
