/** What role dispatch reads: events of some kinds after its cursor, in the order of their ids. */
import type { Cold } from './pool.ts';

const next = {
  name: 'dispatch-next',
  text: `
with c as (
  select coalesce((select event_id from dispatch_cursor where name = $1), 0) as event_id
)
select e.id, e.kind, e.database_id as database, e.tenant, e.at_ms
  from event e, c
 where e.id > c.event_id and e.kind = any ($2) and e.database_id is not null
 order by e.id
 limit $3`,
};

export interface DispatchEvent {
  readonly id: number;
  readonly kind: string;
  readonly database: string;
  readonly tenant: string | null;
  readonly at_ms: number;
}

export async function dispatchNext(
  cold: Cold,
  name: string,
  kinds: readonly string[],
  limit: number,
): Promise<DispatchEvent[]> {
  return cold.durable<DispatchEvent>(next, [name, kinds, limit]);
}

const move = {
  name: 'dispatch-move',
  text: `
insert into dispatch_cursor (name, event_id) values ($1, $2)
on conflict (name) do update set event_id = excluded.event_id, updated_at = now()
  where dispatch_cursor.event_id < excluded.event_id`,
};

/** What these events ask for has been accepted. The cursor never goes back. */
export async function dispatchMove(cold: Cold, name: string, eventId: number): Promise<void> {
  await cold.durable(move, [name, eventId]);
}
