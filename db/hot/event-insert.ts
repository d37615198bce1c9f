/**
 * Takes a host's events, in the order of its journal. What is held already is held once: (host, boot,
 * seq) is unique. Beyond the bound nothing is taken, and so nothing is acknowledged.
 */
import { HOT_EVENTS_MAX } from '../../model/limits.ts';
import type { AgentEvent } from '../../model/wire.ts';
import type { Hot } from './hot.ts';

const statement = {
  name: 'event-insert',
  text: `
with bound as (
  select coalesce(max(id), 0) - coalesce(min(id), 0) < $2 as room from event
), i as (
  insert into event (host_id, boot, seq, kind, at, database_id, directory, tenant, epoch, size, reason,
    cause, request_id)
  select e.host, e.boot, e.seq, e.kind, e.at, e.database, e.directory, d.tenant, e.epoch, e.size, e.reason,
         e.cause, e.request_id
    from jsonb_to_recordset($1::jsonb) as e(
      host text, boot bigint, seq bigint, kind text, at timestamptz, database text, directory text,
      epoch bigint, size text, reason text, cause jsonb, request_id text)
    left join database d on d.id = e.database
    cross join bound
   where bound.room
  on conflict (host_id, boot, seq) do nothing
)
select room from bound`,
};

/** @returns false if the table is full. */
export async function eventInsert(hot: Hot, events: readonly AgentEvent[]): Promise<boolean> {
  const rows = await hot.durable<{ room: boolean }>(statement, [
    JSON.stringify(events),
    HOT_EVENTS_MAX,
  ]);
  return rows[0]?.room ?? false;
}
