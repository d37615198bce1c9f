-- Up Migration

-- Summaries of sessions, as the hosts where they ran note them; and the cold plane gets who wanted what.
-- Once half of `most` rows are there, since the cold plane does not come for them, summaries are
-- acknowledged and not taken: the other half is for what bills are made of.
alter table event add column sessions jsonb;

create or replace function event_insert(events jsonb, most bigint) returns boolean
language plpgsql as $$
declare
  rows bigint := (select coalesce(max(id), 0) - coalesce(min(id), 0) from event);
begin
  if rows >= most then
    return false;
  end if;
  insert into event (host_id, boot, seq, kind, at, database_id, directory, tenant, epoch, size, reason,
    cause, request_id, sessions)
  select e.host, e.boot, e.seq, e.kind, e.at, e.database, e.directory, d.tenant, e.epoch, e.size, e.reason,
         e.cause, e.request_id, e.sessions
    from jsonb_to_recordset(events) as e(
      host text, boot bigint, seq bigint, kind text, at timestamptz, database text, directory text,
      epoch bigint, size text, reason text, cause jsonb, request_id text, sessions jsonb)
    left join database d on d.id = e.database
   where e.kind <> 'sessions' or rows < most / 2
  on conflict (host_id, boot, seq) do nothing;
  return true;
end
$$;

-- See 0003; what a function returns can not be changed in place.
drop function cold_events;
create function cold_events(most integer) returns table (
  id bigint, host_id text, boot bigint, seq bigint, kind text, at timestamptz, database_id text,
  directory text, tenant text, epoch bigint, size text, reason text, cause jsonb, sessions jsonb
)
language sql stable security definer set search_path = public, pg_temp
as $$
  select e.id, e.host_id, e.boot, e.seq, e.kind, e.at, e.database_id, e.directory, e.tenant, e.epoch,
         e.size, e.reason, e.cause, e.sessions
    from event e order by e.id limit least(most, 1000)
$$;
revoke execute on function cold_events from public;
grant execute on function cold_events to pilotlight_cold;

-- Down Migration

drop function cold_events;
create function cold_events(most integer) returns table (
  id bigint, host_id text, boot bigint, seq bigint, kind text, at timestamptz, database_id text,
  directory text, tenant text, epoch bigint, size text, reason text
)
language sql stable security definer set search_path = public, pg_temp
as $$
  select e.id, e.host_id, e.boot, e.seq, e.kind, e.at, e.database_id, e.directory, e.tenant, e.epoch,
         e.size, e.reason
    from event e order by e.id limit least(most, 1000)
$$;
revoke execute on function cold_events from public;
grant execute on function cold_events to pilotlight_cold;

create or replace function event_insert(events jsonb, most bigint) returns boolean
language plpgsql as $$
begin
  if (select coalesce(max(id), 0) - coalesce(min(id), 0) >= most from event) then
    return false;
  end if;
  insert into event (host_id, boot, seq, kind, at, database_id, directory, tenant, epoch, size, reason,
    cause, request_id)
  select e.host, e.boot, e.seq, e.kind, e.at, e.database, e.directory, d.tenant, e.epoch, e.size, e.reason,
         e.cause, e.request_id
    from jsonb_to_recordset(events) as e(
      host text, boot bigint, seq bigint, kind text, at timestamptz, database text, directory text,
      epoch bigint, size text, reason text, cause jsonb, request_id text)
    left join database d on d.id = e.database
  on conflict (host_id, boot, seq) do nothing;
  return true;
end
$$;

alter table event drop column sessions;
