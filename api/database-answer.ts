/** A database as operators and customers see it: never its verifiers. */
import type { DatabaseAnswer } from '../model/wire.ts';
import type { DatabaseRow } from '../db/hot/rows.ts';

export function databaseAnswer(row: DatabaseRow): DatabaseAnswer {
  const { idle_ms, idle_sessions, ignore, allow, tls, labels } = row.identity;
  return {
    id: row.id,
    tenant: row.tenant,
    size: row.size,
    state: row.state,
    epoch: row.epoch,
    host: row.host,
    idle_ms,
    idle_sessions,
    ignore,
    allow,
    tls,
    labels,
    created_at: row.created_at.toISOString(),
    deleted_at: row.deleted_at?.toISOString() ?? null,
    broken: row.broken_reason,
  };
}
