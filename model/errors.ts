/**
 * The closed table of errors. A code stands for one thing everywhere: HTTP status, SQLSTATE on the
 * wire, whether asking again can help, and the label in metrics (the code itself).
 * The text is for the caller; it never holds SQL, secrets, paths or another tenant's names.
 */
export interface ErrorKind {
  readonly status: number;
  /** PostgreSQL error code: https://www.postgresql.org/docs/18/errcodes-appendix.html */
  readonly sqlstate: string;
  readonly retryable: boolean;
  readonly message: string;
}

const kind = (
  status: number,
  sqlstate: string,
  retryable: boolean,
  message: string,
): ErrorKind => ({ status, sqlstate, retryable, message });

export const ERRORS = {
  // What the caller sent.
  bad_request: kind(400, '22023', false, 'the request is not valid'),
  bad_json: kind(400, '22023', false, 'the body is not JSON'),
  body_too_large: kind(413, '54000', false, 'the body is too large'),
  not_found: kind(404, '42704', false, 'there is no such path'),
  method_not_allowed: kind(405, '42704', false, 'this path does not know that method'),
  unauthenticated: kind(401, '28000', false, 'a bearer token is needed'),
  forbidden: kind(403, '42501', false, 'this token may not do that'),
  database_not_found: kind(404, '3D000', false, 'there is no such database'),
  unknown_size: kind(422, '22023', false, 'there is no such size'),
  unknown_host: kind(404, '22023', false, 'there is no such host'),
  database_deleted: kind(410, '3D000', false, 'this database has been deleted'),
  not_deleted: kind(409, '55000', false, 'this database has not been deleted'),
  migration_failed: kind(422, '55000', false, 'the migration could not be applied'),
  migration_conflict: kind(409, '42710', false, 'another migration of this name is applied'),
  password_not_found: kind(404, '42704', false, 'there is no such sealed password'),
  password_opened: kind(410, '55000', false, 'this password has been opened already'),
  invoice_not_found: kind(404, '42704', false, 'there is no such invoice'),
  // What a client of the proxy sent.
  login_refused: kind(401, '28P01', false, 'password authentication failed'),
  too_many_attempts: kind(429, '53300', true, 'too many false logins from this address'),
  not_allowed: kind(403, '28000', false, 'this database does not take this connection'),
  protocol_violation: kind(400, '08P01', false, 'the message is not valid in this protocol'),
  unsupported_protocol: kind(400, '0A000', false, 'this protocol version is not supported'),
  startup_too_large: kind(413, '54000', false, 'the start-up packet is too large'),
  startup_timeout: kind(408, '08P01', true, 'the start-up took too long'),
  // What a race or an older view made of the request; the api settles these by itself.
  stale_epoch: kind(409, '55000', true, 'this epoch has been used already'),
  slot_taken: kind(409, '55006', true, 'this slot is not free'),
  previous_incarnation_alive: kind(409, '55006', true, 'an earlier incarnation still runs'),
  late_request: kind(409, '55006', true, 'this request was under way for too long'),
  held: kind(409, '55006', true, 'another operation holds this database'),
  held_elsewhere: kind(409, '55006', true, 'another host runs this database'),
  key_reused: kind(422, '22023', false, 'this key was used for another request'),
  already_created: kind(409, '42P04', false, 'this key has made a database already'),
  identity_conflict: kind(409, '40001', true, 'the identity document has changed meanwhile'),
  // What the fleet can not do now.
  waking: kind(503, '57P03', true, 'the database is being started'),
  backed_off: kind(503, '57P03', true, 'this source wakes the database and never uses it'),
  broken: kind(503, '57P03', false, 'the database can not be started'),
  start_failed: kind(503, '57P03', true, 'the database could not be started'),
  no_capacity: kind(503, '53300', true, 'no room is left in the fleet for now'),
  below_floor: kind(503, '53300', true, 'what is vacant is kept for demand'),
  too_many_starts: kind(429, '53400', true, 'this tenant starts too many databases at once'),
  too_many_creates: kind(429, '53400', true, 'this tenant creates databases too quickly'),
  too_many_running: kind(429, '53400', true, 'this tenant has as many databases awake as it may'),
  too_many_databases: kind(429, '53400', false, 'this tenant has as many databases as it may'),
  too_many_clients: kind(503, '53300', true, 'too many clients wait here'),
  storage_full: kind(507, '53100', true, 'the volume has no room left'),
  fenced: kind(503, '57P03', true, 'this host may not run databases now'),
  unavailable: kind(503, '08006', true, 'a service behind this one does not answer'),
  shutting_down: kind(503, '57P01', true, 'this process is shutting down'),
  internal: kind(500, 'XX000', false, 'internal error'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** What a body `{ error: … }` holds. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly detail?: string;
  /** Facts that a program acts on, such as `minted` of `stale_epoch`. */
  readonly data?: Readonly<Record<string, string | number>>;
}

export interface AppErrorOptions {
  readonly detail?: string | undefined;
  readonly data?: Readonly<Record<string, string | number>> | undefined;
  readonly cause?: unknown;
}

/** An expected failure. Whatever else is thrown is a bug, shown as `internal` and only logged. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly data: Readonly<Record<string, string | number>> | undefined;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.detail = options.detail;
    this.data = options.data;
  }
}

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && Object.hasOwn(ERRORS, value);

/** The code of anything thrown. */
export const codeOf = (error: unknown): ErrorCode =>
  error instanceof AppError ? error.code : 'internal';

/** The body for anything thrown; of a bug it says nothing but `internal`. */
export function errorBodyOf(error: unknown): ErrorBody {
  const code = codeOf(error);
  const known = error instanceof AppError ? error : undefined;
  return {
    code,
    message: ERRORS[code].message,
    retryable: ERRORS[code].retryable,
    ...(known?.detail === undefined ? {} : { detail: known.detail }),
    ...(known?.data === undefined ? {} : { data: known.data }),
  };
}
