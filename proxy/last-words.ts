/** What Postgres says when it ends a session from its side, and what a client is told with it. Pure. */
import { decodeErrorResponse, encodeErrorResponse, MESSAGE } from './wire.ts';

/** admin_shutdown: a suspend, a restart, or pg_terminate_backend(). */
const ADMIN_SHUTDOWN = '57P01';
/** Postgres' own words take some hundred bytes. */
const BYTES_MAX = 2_048;
const HEAD_BYTES = 5;

/** Terminate: a client that goes in order says so last, and Postgres then closes first. */
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

export const saysGoodbye = (bytes: Buffer): boolean =>
  bytes.length >= TERMINATE.length && TERMINATE.equals(bytes.subarray(-TERMINATE.length));

/** True whichever of them it was. */
const HINT = 'Connect again; a database that has been put to sleep wakes then.';

/**
 * Whether these bytes may be all that is still said: one ErrorResponse and nothing else. The length
 * is looked at first, since every piece of every answer comes by here.
 */
export function mayBeLast(bytes: Buffer): boolean {
  if (bytes[0] !== MESSAGE.error || bytes.length > BYTES_MAX || bytes.length < HEAD_BYTES)
    return false;
  if (bytes.readInt32BE(1) !== bytes.length - 1) return false;
  const { V, C } = decodeErrorResponse(bytes.subarray(HEAD_BYTES));
  return V === 'FATAL' && C === ADMIN_SHUTDOWN;
}

/** The same words with a hint, for a client whose session has ended with them. */
export function withHint(last: Buffer): Buffer {
  const fields = decodeErrorResponse(last.subarray(HEAD_BYTES));
  return encodeErrorResponse(fields['H'] === undefined ? { ...fields, H: HINT } : fields);
}
