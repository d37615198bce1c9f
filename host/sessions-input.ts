/** Reads what proxies tell of sessions. Everything that is wrong is a typed error that names the field. */
import { isIP } from 'node:net';
import type { Cause, SessionsEnded, SessionSource, SessionSummary } from '../model/wire.ts';
import { bad, count, databaseOf, EPOCH_MAX, fieldsOf } from './input.ts';

const SESSIONS_MAX = 1_000;
const PID_MAX = 2 ** 31 - 1;
/** What the api takes in an event: one that it refuses would hold up all that follow. */
const TEXT_MAX = 200;

type Fields = ReturnType<typeof fieldsOf>;

function each<T>(body: unknown, read: (fields: Fields) => T): readonly T[] {
  const { sessions } = fieldsOf(body);
  if (!Array.isArray(sessions) || sessions.length > SESSIONS_MAX) throw bad('sessions');
  return sessions.map((session: unknown) => read(fieldsOf(session, 'sessions')));
}

const incarnationOf = (fields: Fields) => ({
  database: databaseOf(fields['database']),
  epoch: count(fields, 'epoch', EPOCH_MAX),
});

export const sessionSourcesOf = (body: unknown): readonly SessionSource[] =>
  each(body, (fields) => {
    const { source } = fields;
    if (typeof source !== 'string' || isIP(source) === 0) throw bad('source');
    return { ...incarnationOf(fields), pid: count(fields, 'pid', PID_MAX), source };
  });

function textOf(fields: Fields, field: string): string {
  const value = fields[field];
  if (typeof value !== 'string' || value.length > TEXT_MAX) throw bad(field);
  return value;
}

function amountOf(fields: Fields, field: string): number {
  const value = fields[field];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw bad(field);
  return value;
}

function causeOf(value: unknown): Cause {
  const fields = fieldsOf(value, 'cause');
  const names = ['role', 'application_name', 'source'].filter((name) => fields[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, textOf(fields, name)]));
}

const summaryOf = (fields: Fields): SessionSummary => ({
  ...incarnationOf(fields),
  cause: causeOf(fields['cause']),
  ended: textOf(fields, 'ended'),
  count: count(fields, 'count', Number.MAX_SAFE_INTEGER),
  bytes_in: amountOf(fields, 'bytes_in'),
  bytes_out: amountOf(fields, 'bytes_out'),
  session_ms: amountOf(fields, 'session_ms'),
});

export function sessionsEndedOf(body: unknown): SessionsEnded {
  const fields = fieldsOf(body);
  return {
    proxy: textOf(fields, 'proxy'),
    batch: count(fields, 'batch', Number.MAX_SAFE_INTEGER),
    sessions: each(body, summaryOf),
  };
}
