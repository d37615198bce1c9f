/** Reads what proxies tell of sessions. Everything that is wrong is a typed error that names the field. */
import { isIP } from 'node:net';
import type { SessionsEnded, SessionSource, SessionSummary } from '../model/wire.ts';
import { bad, causeOf, count, databaseOf, EPOCH_MAX, fieldsOf, textOf } from './input.ts';

const SESSIONS_MAX = 1_000;
const PID_MAX = 2 ** 31 - 1;

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

function wordOf(fields: Fields, field: string): string {
  const text = textOf(fields[field]);
  if (text === undefined || text === '') throw bad(field);
  return text;
}

function amountOf(fields: Fields, field: string): number {
  const value = fields[field];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw bad(field);
  return value;
}

const summaryOf = (fields: Fields): SessionSummary => ({
  ...incarnationOf(fields),
  cause: causeOf(fields['cause']),
  ended: wordOf(fields, 'ended'),
  count: count(fields, 'count', Number.MAX_SAFE_INTEGER),
  bytes_in: amountOf(fields, 'bytes_in'),
  bytes_out: amountOf(fields, 'bytes_out'),
  session_ms: amountOf(fields, 'session_ms'),
});

export function sessionsEndedOf(body: unknown): SessionsEnded {
  const fields = fieldsOf(body);
  return {
    proxy: wordOf(fields, 'proxy'),
    batch: count(fields, 'batch', Number.MAX_SAFE_INTEGER),
    sessions: each(body, summaryOf),
  };
}
