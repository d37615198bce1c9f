/** A database as operators and customers see it: never its verifiers. */
import type { Identity } from '../model/identity.ts';
import type { DatabaseAnswer } from '../model/wire.ts';
import type { DatabaseRow } from '../db/hot/rows.ts';

type At = Pick<DatabaseRow, 'state' | 'epoch' | 'host' | 'broken_reason'>;

/** @param stale the index was not asked. */
export function answerOf(
  { id, tenant, size, created_at, deleted_at, ...identity }: DatabaseRow['identity'] | Identity,
  { state, epoch, host, broken_reason: broken }: At,
  stale: boolean,
): DatabaseAnswer {
  const { idle_ms, idle_sessions, ignore, allow, tls, labels } = identity;
  const facts = { id, tenant, size, state, epoch, host, created_at, deleted_at, broken, stale };
  return { ...facts, idle_ms, idle_sessions, ignore, allow, tls, labels };
}

export const databaseAnswer = (row: DatabaseRow): DatabaseAnswer =>
  answerOf(row.identity, row, false);
