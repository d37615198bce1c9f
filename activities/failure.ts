/**
 * What an activity's failure looks like in a history, decided in this one place: the code of the
 * closed table as its type, the table's own text, and nothing of the error that caused it. A message
 * of Postgres or of HTTP may hold a value, and histories are read by many and kept for weeks.
 */
import {
  ApplicationFailure,
  CancelledFailure,
  CompleteAsyncError,
  Context,
} from '@temporalio/activity';
import type { Logger } from '../lib/log.ts';
import { AppError, ERRORS, type ErrorCode } from '../model/errors.ts';

/** What every factory of activities returns. */
// oxlint-disable-next-line typescript/no-explicit-any -- the arguments are each activity's own
export type Activities = Readonly<Record<string, (...args: any[]) => Promise<unknown>>>;

/** A detail names fields and counts, but it may quote a caller; more than this is no detail. */
const DETAIL_CHARS_MAX = 300;

/** `user:password@` of an address, and what looks like a key, a verifier or a token. */
const SECRETS: readonly RegExp[] = [
  /\/\/[^/\s:@]+:[^/\s@]+@/g,
  /SCRAM-SHA-256\$\S+/g,
  /-----BEGIN[\s\S]*?-----END[^-]*-----/g,
  /[Bb]earer\s+\S+/g,
  /\b[A-Za-z0-9_-]{32,}\b/g,
];

/** Takes out of a text what might be a secret. */
export const scrub = (text: string): string =>
  SECRETS.reduce((left, secret) => left.replace(secret, '[secret]'), text).slice(
    0,
    DETAIL_CHARS_MAX,
  );

function messageOf(code: ErrorCode, detail: string | undefined): string {
  const text = ERRORS[code].message;
  return detail === undefined ? text : `${text}: ${scrub(detail)}`;
}

/**
 * The ApplicationFailure of anything thrown. A code that can not be helped by asking again is not
 * retried. A bug is, within the bounds of the activity's policy: the next attempt may run on a
 * worker that has it mended.
 */
export function failureOf(error: unknown): ApplicationFailure {
  const known = error instanceof AppError ? error : undefined;
  const code: ErrorCode = known?.code ?? 'internal';
  const failure = ApplicationFailure.create({
    type: code,
    message: messageOf(code, known?.detail),
    nonRetryable: known !== undefined && !ERRORS[code].retryable,
    details: known?.data === undefined ? [] : [known.data],
  });
  // Where it was made says nothing, and where it was thrown is in the worker's log.
  failure.stack = `${failure.name}: ${failure.message}`;
  return failure;
}

const isTemporals = (error: unknown): boolean =>
  error instanceof ApplicationFailure ||
  error instanceof CancelledFailure ||
  error instanceof CompleteAsyncError;

/**
 * Wraps activities so that whatever they throw is typed and scrubbed. What is thrown because the
 * activity was cancelled (an aborted call, a closed query) counts as the cancellation that it is.
 */
export function withFailures<T extends Activities>(activities: T, log: Logger): T {
  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (...args: unknown[]): Promise<unknown> => {
      try {
        return await activity(...args);
      } catch (error) {
        if (isTemporals(error)) throw error;
        const { cancellationSignal, info } = Context.current();
        if (cancellationSignal.aborted) throw new CancelledFailure('the activity was cancelled');
        if (!(error instanceof AppError))
          log.error(
            { err: error, activity: name, workflow: info.workflowExecution?.workflowId },
            'BUG',
          );
        throw failureOf(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}
