/** From our closed table of errors to what a Postgres client understands. Pure. */
import { ERRORS, codeOf, AppError, type ErrorCode } from '../model/errors.ts';
import { encodeErrorResponse } from './wire.ts';

/** Details of `not_allowed`. */
export const NEEDS_TLS = 'it needs TLS';
export const NO_LOGIN = 'the role is not permitted to log in';
export const NO_REPLICATION = 'it takes no replication connections';

/** What a person can do about it. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  waking: 'Try again in a moment; the database goes on starting.',
  start_failed: 'Try again in a moment.',
  no_capacity: 'Try again in a moment.',
  too_many_running: 'Let another database of yours fall asleep first.',
  too_many_clients: 'Try again in a moment, with fewer connections at once.',
  shutting_down: 'Connect again; another proxy takes the connection.',
  startup_timeout: 'Connect again and finish the login sooner.',
};

/** What a person can do where the detail says what is wrong. */
const HINTS_BY_DETAIL: Readonly<Record<string, string>> = {
  [NEEDS_TLS]: 'Connect with sslmode=require, or with the TLS option of your driver.',
  [NO_LOGIN]: 'ALTER ROLE … LOGIN lets it in.',
  [NO_REPLICATION]: 'Use pg_dump or COPY.',
};

function hintOf(error: unknown, code: ErrorCode): string | undefined {
  const detail = error instanceof AppError ? (error.detail ?? '') : '';
  if (Object.hasOwn(HINTS_BY_DETAIL, detail)) return HINTS_BY_DETAIL[detail];
  const estimate = error instanceof AppError ? error.data?.['estimate_ms'] : undefined;
  if (typeof estimate !== 'number') return HINTS[code];
  const seconds = Math.max(1, Math.ceil(estimate / 1000));
  return `Try again in about ${seconds} s.`;
}

function messageOf(code: ErrorCode, role: string | undefined): string {
  // The words of Postgres' own auth_failed() (src/backend/libpq/auth.c): clients look for them.
  if (code === 'login_refused' && role !== undefined)
    return `password authentication failed for user "${role}"`;
  return ERRORS[code].message;
}

/**
 * The ErrorResponse for anything thrown; of a bug it says nothing but `internal error`.
 * @param role named in the text of a refused login.
 */
export function errorResponse(error: unknown, role?: string): Buffer {
  const code = codeOf(error);
  const hint = hintOf(error, code);
  const detail = error instanceof AppError ? error.detail : undefined;
  return encodeErrorResponse({
    S: 'FATAL',
    V: 'FATAL',
    C: ERRORS[code].sqlstate,
    M: messageOf(code, role),
    ...(detail === undefined ? {} : { D: detail }),
    ...(hint === undefined ? {} : { H: hint }),
  });
}
