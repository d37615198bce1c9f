/**
 * The PostgreSQL wire protocol 3.0, as far as a proxy speaks it itself. Pure: bytes in, values out.
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

/** The answer to SSLRequest and GSSENCRequest: go on in plain text. */
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
 * NegotiateProtocolVersion: this server goes up to 3.0 and does not know these `_pq_.` options. The
 * version is the whole number, as SendNegotiateProtocolVersion() of backend_startup.c writes it.
 */
export function encodeNegotiateProtocolVersion(unrecognized: readonly string[]): Buffer {
  const head = Buffer.allocUnsafe(8);
  head.writeInt32BE(PROTOCOL_3_0, 0);
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

/** A backend's key for CancelRequest: process id and secret. */
export interface BackendKey {
  readonly pid: number;
  readonly secret: number;
}

export function encodeBackendKey(key: BackendKey): Buffer {
  const body = Buffer.allocUnsafe(8);
  body.writeInt32BE(key.pid, 0);
  body.writeInt32BE(key.secret, 4);
  return encodeMessage(MESSAGE.backendKeyData, body);
}

/** @throws AppError `protocol_violation` if it is not a key of protocol 3.0. */
export function decodeBackendKey(body: Buffer): BackendKey {
  if (body.length !== 8)
    throw new AppError('protocol_violation', { detail: 'a cancel key has an impossible length' });
  return { pid: body.readInt32BE(0), secret: body.readInt32BE(4) };
}

export function encodeCancelRequest(key: BackendKey): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeInt32BE(16, 0);
  bytes.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  bytes.writeInt32BE(key.pid, 8);
  bytes.writeInt32BE(key.secret, 12);
  return bytes;
}

/** A StartupMessage of protocol 3.0. */
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
