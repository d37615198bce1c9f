/**
 * The statements of the relay's transaction (workers/relay.ts): the lock that lets one relay work at
 * a time, the events themselves, and how far it is.
 */
import type { HotEvent } from './hot-functions.ts';
import type { Run } from './pool.ts';

const lock = {
  name: 'relay-lock',
  text: `select pg_try_advisory_xact_lock(hashtextextended('pilotlight relay', 0)) as mine`,
};

/** Held until the transaction ends. @returns false while another relay is at work. */
export async function relayLock(run: Run): Promise<boolean> {
  const rows = await run<{ mine: boolean }>(lock, []);
  return rows[0]?.mine ?? false;
}

const insert = {
  name: 'event-take',
  text: `
insert into event (source, boot, seq, generation, kind, at_ms, database_id, directory, tenant, epoch,
                   size, reason, cause, sessions)
select case when e.host_id = 'hot' and e.boot = 0 then 'hot:' || $2 else e.host_id end,
       e.boot, e.seq, $2::uuid, e.kind, e.at_ms, e.database_id, e.directory, e.tenant, e.epoch,
       e.size, e.reason, e.cause, e.sessions
  from jsonb_to_recordset($1::jsonb) as e(
    id bigint, host_id text, boot bigint, seq bigint, kind text, at_ms bigint, database_id text,
    directory text, tenant text, epoch bigint, size text, reason text, cause jsonb, sessions jsonb)
 order by e.id
on conflict (source, boot, seq) do nothing
returning id, kind, at_ms, database_id, directory, tenant, epoch, size`,
};

/** An event that was not here before, under its id here. */
export interface TakenEvent {
  readonly id: number;
  readonly kind: string;
  readonly at_ms: number;
  readonly database_id: string | null;
  readonly directory: string | null;
  readonly tenant: string | null;
  readonly epoch: number | null;
  readonly size: string | null;
}

/** Takes events in the order of their hot ids. @returns those that are new. */
export async function eventTake(
  run: Run,
  generation: string,
  events: readonly HotEvent[],
): Promise<TakenEvent[]> {
  return run<TakenEvent>(insert, [JSON.stringify(events), generation]);
}

const cursor = {
  name: 'event-cursor',
  text: `
insert into event_cursor (generation, hot_id, events, drained_at)
values ($1, $2, $3, case when $4 then now() end)
on conflict (generation) do update
  set hot_id = greatest(event_cursor.hot_id, excluded.hot_id),
      events = event_cursor.events + excluded.events,
      drained_at = coalesce(excluded.drained_at, event_cursor.drained_at),
      updated_at = now()`,
};

export interface RelayProgress {
  readonly generation: string;
  /** The highest hot id that was read; 0: there was none. */
  readonly hotId: number;
  /** How many were new. */
  readonly events: number;
  /** Whether that was all that the hot table held. */
  readonly drained: boolean;
}

export async function eventCursor(run: Run, progress: RelayProgress): Promise<void> {
  const { generation, hotId, events, drained } = progress;
  await run(cursor, [generation, hotId, events, drained]);
}
