/**
 * A client's first packet: what it asks for, and which database and role it names. Pure.
 * ProcessStartupPacket() in src/backend/tcop/backend_startup.c of Postgres is the model.
 */
import { isUtf8 } from 'node:buffer';
import { AppError } from '../model/errors.ts';
import { isDatabaseId, OWNER_DATABASE } from '../model/ids.ts';
import { STARTUP_BYTES_MAX } from '../model/limits.ts';
import {
  CANCEL_REQUEST_CODE,
  decodeCancelRequest,
  GSSENC_REQUEST_CODE,
  MINOR_MAX,
  PASSED_CANCEL_CODE,
  SSL_REQUEST_CODE,
  type BackendKey,
  type Decoded,
} from './wire.ts';

export interface Startup {
  readonly kind: 'startup';
  readonly minor: number;
  readonly parameters: ReadonlyMap<string, string>;
}

export type FirstPacket =
  /** TLS without asking for it: a ClientHello, of which nothing is taken. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gssenc' }
  /** `isPassed`: by another proxy. */
  | {
      readonly kind: 'cancel';
      readonly key: BackendKey | undefined;
      readonly isPassed: boolean;
    }
  | Startup;

/** A length above this is no packet at all but bytes of some other protocol. */
const GARBAGE_BYTES = 16 * 1024 * 1024;
const PROTOCOL_OPTION = '_pq_.';
/** ContentType handshake, the first byte of every TLS connection: RFC 8446 section 5.1. */
const TLS_HANDSHAKE = 0x16;

const violation = (detail: string): AppError => new AppError('protocol_violation', { detail });

function decodeParameters(body: Buffer): ReadonlyMap<string, string> {
  if (!isUtf8(body)) throw violation('the start-up packet is not UTF-8');
  const parts = body.toString('utf8').split('\0');
  // "name\0value\0…\0": the last two are the empty name that ends the list and what split() adds.
  if (parts.length < 2 || parts.at(-1) !== '' || parts.at(-2) !== '')
    throw violation('the start-up packet does not end with its terminator');
  const parameters = new Map<string, string>();
  for (let i = 0; i < parts.length - 2; i += 2) {
    const name = parts[i] ?? '';
    const value = parts[i + 1];
    if (name === '' || value === undefined || i + 1 > parts.length - 3)
      throw violation('the start-up packet is laid out wrongly');
    parameters.set(name, value);
  }
  return parameters;
}

function decodeWhole(code: number, packet: Buffer): FirstPacket {
  if (code === CANCEL_REQUEST_CODE || code === PASSED_CANCEL_CODE) {
    const isPassed = code === PASSED_CANCEL_CODE;
    return { kind: 'cancel', key: decodeCancelRequest(packet), isPassed };
  }
  if (code === SSL_REQUEST_CODE || code === GSSENC_REQUEST_CODE) {
    if (packet.length !== 8) throw violation('the encryption request is laid out wrongly');
    return { kind: code === SSL_REQUEST_CODE ? 'ssl' : 'gssenc' };
  }
  const major = code >>> 16;
  if (major === 1 || major === 2) throw new AppError('unsupported_protocol');
  if (major !== 3) throw violation('this is not a start-up packet');
  return {
    kind: 'startup',
    minor: code & 0xffff,
    parameters: decodeParameters(packet.subarray(8)),
  };
}

/**
 * Reads a client's first packet; undefined while a part of it is missing. Judges the length as soon
 * as it is there, so that nothing above the limit is ever collected.
 * @throws AppError `startup_too_large`, `unsupported_protocol`, `protocol_violation`
 */
export function decodeFirstPacket(bytes: Buffer): Decoded<FirstPacket> | undefined {
  // As the first byte of a length it would be 369 MB.
  if (bytes[0] === TLS_HANDSHAKE) return { value: { kind: 'hello' }, used: 0 };
  if (bytes.length < 4) return undefined;
  const length = bytes.readUInt32BE(0);
  if (length < 8 || length > GARBAGE_BYTES) throw violation('this is not a start-up packet');
  if (length > STARTUP_BYTES_MAX)
    throw new AppError('startup_too_large', { detail: `at most ${STARTUP_BYTES_MAX} bytes` });
  if (bytes.length < length) return undefined;
  return { value: decodeWhole(bytes.readUInt32BE(4), bytes.subarray(0, length)), used: length };
}

/** What a start-up packet asks for. */
export interface Login {
  /** The database id that the client named, valid or not. */
  readonly database: string;
  readonly role: string;
  readonly applicationName: string | undefined;
  /** The parameters for Postgres: role, inner database, and the client's others. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The minor version that is spoken with the client. */
  readonly minor: number;
  /** Protocol options that this server does not know. */
  readonly unrecognized: readonly string[];
  /** True if the client must be told which version is spoken, and what is not known. */
  readonly negotiate: boolean;
  /** True for a replication connection, physical or logical. */
  readonly replication: boolean;
}

/** `endpoint=…`, `-c endpoint=…`, `-cendpoint=…` or `--endpoint=…` as a word of its own. */
const ENDPOINT = /(?:^|(?<!\\)\s)(?:-c\s*|--)?endpoint=(\S*)/;

/** Takes `endpoint=…` out of the start-up packet's `options`. */
export function takeEndpoint(options: string): { endpoint: string | undefined; rest: string } {
  const match = ENDPOINT.exec(options);
  if (match === null) return { endpoint: undefined, rest: options };
  const rest = options.slice(0, match.index) + options.slice(match.index + match[0].length);
  return { endpoint: match[1] ?? '', rest: rest.trim() };
}

/** The database id of a name like `db-….example.com` in TLS' SNI; DNS knows no upper case. */
function endpointOf(servername: string | undefined): string | undefined {
  const label = servername?.split('.', 1)[0]?.toLowerCase() ?? '';
  return isDatabaseId(label) ? label : undefined;
}

/** What parse_bool() of Postgres takes for false; anything else asks for a walsender. */
const NO_REPLICATION = /^(?:f|fa|fal|fals|false|n|no|of|off|0)$/i;

/**
 * Reads who wants what. The database id is named by `options=endpoint=…`, else by the host name that
 * TLS was asked for, and then `database` is the one inside Postgres, as there. Else the id is
 * `database` itself, and inside it is the owner's; so it is with a host name and the same id again.
 * @param servername of TLS' SNI.
 * @throws AppError `protocol_violation` without a role
 */
export function readLogin(startup: Startup, servername?: string): Login {
  const parameters = new Map(startup.parameters);
  const role = parameters.get('user') ?? '';
  if (role === '') throw violation('the start-up packet names no user');
  const unrecognized = [...parameters.keys()].filter((name) => name.startsWith(PROTOCOL_OPTION));
  for (const name of unrecognized) parameters.delete(name);
  const { endpoint: optional, rest } = takeEndpoint(parameters.get('options') ?? '');
  if (optional !== undefined && rest === '') parameters.delete('options');
  else if (optional !== undefined) parameters.set('options', rest);
  const named = parameters.get('database');
  const asked = named === undefined || named === '' ? role : named;
  const hosted = endpointOf(servername);
  const endpoint = optional ?? (hosted === asked ? undefined : hosted);
  parameters.set('database', endpoint === undefined ? OWNER_DATABASE : asked);
  return {
    database: endpoint ?? asked,
    role,
    applicationName: parameters.get('application_name'),
    parameters,
    minor: Math.min(startup.minor, MINOR_MAX),
    unrecognized,
    negotiate: startup.minor > MINOR_MAX || unrecognized.length > 0,
    replication: !NO_REPLICATION.test(parameters.get('replication') ?? 'false'),
  };
}
