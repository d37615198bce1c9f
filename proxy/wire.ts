/**
 * The PostgreSQL wire protocol 3.0 to 3.2, as far as a proxy speaks it itself. Pure: bytes in, values out.
 * Formats: https://www.postgresql.org/docs/18/protocol-message-formats.html; names and numbers of
 * src/include/libpq/pqcomm.h and src/include/libpq/protocol.h of Postgres.
 */
import { isUtf8 } from 'node:buffer';
import { AppError } from '../model/errors.ts';

/** PG_PROTOCOL(3, 0) */
const PROTOCOL_3_0 = 0x0003_0000;
/** CANCEL_REQUEST_CODE, NEGOTIATE_SSL_CODE, NEGOTIATE_GSS_CODE */
export const CANCEL_REQUEST_CODE = (1234 << 16) | 5678;
export const SSL_REQUEST_CODE = (1234 << 16) | 5679;
export const GSSENC_REQUEST_CODE = (1234 << 16) | 5680;

/** Of ours: a cancel request that another proxy has no session for. It goes no further. */
export const PASSED_CANCEL_CODE = (1234 << 16) | 5690;

/** The newest minor version that is spoken with clients: PG_PROTOCOL_LATEST of Postgres 18 is 3.2. */
export const MINOR_MAX = 2;

/** The answers to SSLRequest: TLS begins; and to it and GSSENCRequest: go on in plain text. */
export const ENCRYPTED = Buffer.from('S');
export const NOT_ENCRYPTED = Buffer.from('N');

export const MESSAGE = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  error: 0x45, // E
  negotiateProtocolVersion: 0x76, // v
  parameterStatus: 0x53, // S
  notice: 0x4e, // N
  password: 0x70, // p: SASLInitialResponse and SASLResponse as well
  readyForQuery: 0x5a, // Z
} as const;

/** AUTH_REQ_OK, AUTH_REQ_SASL, AUTH_REQ_SASL_CONT, AUTH_REQ_SASL_FIN */
const AUTH = { ok: 0, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

/** A message: its type and its body (without type and length). */
export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

/** What was read, and how many bytes it took. */
export interface Decoded<T> {
  readonly value: T;
  readonly used: number;
}

/**
 * Reads the message at `offset`; undefined while a part of it is missing.
 * @throws AppError `protocol_violation` if its length is impossible or above `bytesMax` (of the body).
 */
export function decodeMessage(
  bytes: Buffer,
  offset: number,
  bytesMax: number,
): Decoded<Message> | undefined {
  if (bytes.length < offset + 5) return undefined;
  const length = bytes.readInt32BE(offset + 1);
  if (length < 4 || length - 4 > bytesMax)
    throw new AppError('protocol_violation', { detail: 'a message has an impossible length' });
  const used = 1 + length;
  if (bytes.length < offset + used) return undefined;
  return {
    value: { type: bytes[offset] ?? 0, body: bytes.subarray(offset + 5, offset + used) },
    used,
  };
}

export function encodeMessage(type: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes[0] = type;
  bytes.writeInt32BE(4 + body.length, 1);
  bytes.set(body, 5);
  return bytes;
}

function authentication(request: number, data: string): Buffer {
  const body = Buffer.allocUnsafe(4 + Buffer.byteLength(data));
  body.writeInt32BE(request, 0);
  body.write(data, 4);
  return encodeMessage(MESSAGE.authentication, body);
}

/** AuthenticationSASL: the mechanisms on offer. */
export const encodeSasl = (mechanisms: readonly string[]): Buffer =>
  authentication(AUTH.sasl, `${mechanisms.join('\0')}\0\0`);

/** AuthenticationSASLContinue: the server's first message. */
export const encodeSaslContinue = (data: string): Buffer => authentication(AUTH.saslContinue, data);

/** AuthenticationSASLFinal: the server's signature. */
export const encodeSaslFinal = (data: string): Buffer => authentication(AUTH.saslFinal, data);

/** True for the body of AuthenticationOk. */
export const isAuthenticationOk = (body: Buffer): boolean =>
  body.length === 4 && body.readInt32BE(0) === AUTH.ok;

/**
 * NegotiateProtocolVersion: 3.`minor` is spoken, and these `_pq_.` options are not known. The
 * version is the whole number, as SendNegotiateProtocolVersion() of backend_startup.c writes it.
 */
export function encodeNegotiateProtocolVersion(
  minor: number,
  unrecognized: readonly string[],
): Buffer {
  const head = Buffer.allocUnsafe(8);
  head.writeInt32BE(PROTOCOL_3_0 + minor, 0);
  head.writeInt32BE(unrecognized.length, 4);
  const names = Buffer.from(unrecognized.map((name) => `${name}\0`).join(''));
  return encodeMessage(MESSAGE.negotiateProtocolVersion, Buffer.concat([head, names]));
}

/** ErrorResponse; the keys are the field codes of the protocol (S, V, C, M, D, H). */
export function encodeErrorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const text = Object.entries(fields).map(
    ([code, value]) => `${code}${value.replaceAll('\0', '')}`,
  );
  return encodeMessage(MESSAGE.error, Buffer.from(`${text.join('\0')}\0\0`));
}

/** The fields of an ErrorResponse by their codes. */
export function decodeErrorResponse(body: Buffer): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const field of body.toString('utf8').split('\0')) {
    if (field !== '') fields[field.charAt(0)] = field.slice(1);
  }
  return fields;
}

/**
 * Bytes of a secret in the versions up to 3.1, of one that Postgres makes for 3.2, and at most
 * (MAX_CANCEL_KEY_LENGTH of procsignal.h: 32; the protocol allows 256).
 */
export const SECRET_BYTES = { short: 4, long: 32, max: 256 } as const;

/** A backend's key for CancelRequest: process id and secret. */
export interface BackendKey {
  readonly pid: number;
  readonly secret: Buffer;
}

function encodeKey(key: BackendKey): Buffer {
  const body = Buffer.allocUnsafe(4 + key.secret.length);
  body.writeInt32BE(key.pid, 0);
  body.set(key.secret, 4);
  return body;
}

/** A key of 4 to 260 bytes; a copy, since the bytes around it are of one login. */
const decodeKey = (body: Buffer): BackendKey => ({
  pid: body.readInt32BE(0),
  secret: Buffer.from(body.subarray(4)),
});

const isKeyLength = (bytes: number): boolean => bytes > 4 && bytes <= 4 + SECRET_BYTES.max;

export const encodeBackendKey = (key: BackendKey): Buffer =>
  encodeMessage(MESSAGE.backendKeyData, encodeKey(key));

/** @throws AppError `protocol_violation` if its length is none of a key. */
export function decodeBackendKey(body: Buffer): BackendKey {
  if (!isKeyLength(body.length))
    throw new AppError('protocol_violation', { detail: 'a cancel key has an impossible length' });
  return decodeKey(body);
}

export function encodeCancelRequest(key: BackendKey, code = CANCEL_REQUEST_CODE): Buffer {
  const body = encodeKey(key);
  const head = Buffer.allocUnsafe(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, body]);
}

/** The key of a whole CancelRequest; undefined if its length is none of a key. */
export const decodeCancelRequest = (packet: Buffer): BackendKey | undefined =>
  isKeyLength(packet.length - 8) ? decodeKey(packet.subarray(8)) : undefined;

/** A StartupMessage of protocol 3.0, which every Postgres takes; only cancel keys differ in 3.2. */
export function encodeStartup(parameters: Iterable<readonly [string, string]>): Buffer {
  let text = '';
  for (const [name, value] of parameters) text += `${name}\0${value}\0`;
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.allocUnsafe(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(PROTOCOL_3_0, 4);
  return Buffer.concat([head, body]);
}

/** SASLInitialResponse: the mechanism that the client chose, and its first message. */
export interface SaslInitial {
  readonly mechanism: string;
  readonly data: string;
}

const malformed = (): AppError =>
  new AppError('protocol_violation', { detail: 'malformed SASL message' });

/** @throws AppError `protocol_violation` */
export function decodeSaslInitial(body: Buffer): SaslInitial {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5 || !isUtf8(body)) throw malformed();
  // A length of -1 (no initial response) is allowed by the protocol, but SCRAM's client goes first.
  if (body.readInt32BE(end + 1) !== body.length - (end + 5)) throw malformed();
  return {
    mechanism: body.toString('utf8', 0, end),
    data: body.toString('utf8', end + 5),
  };
}

/** The data of a SASLResponse. @throws AppError `protocol_violation` */
export function decodeSaslResponse(body: Buffer): string {
  if (!isUtf8(body)) throw malformed();
  return body.toString('utf8');
}
