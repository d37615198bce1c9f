-- Up Migration

-- What the cold plane may do here: call four functions, on few connections, each for a short time.
-- They are this database's contract with the cold plane; no table is granted.
do $$
begin
  if not exists (select from pg_roles where rolname = 'pilotlight_cold') then
    create role pilotlight_cold login connection limit 8;
    alter role pilotlight_cold set statement_timeout = '5s';
    alter role pilotlight_cold set lock_timeout = '1s';
    alter role pilotlight_cold set idle_in_transaction_session_timeout = '5s';
  end if;
exception when duplicate_object or unique_violation then null;
end
$$;

-- Events come in at one end and go at the other: dead rows must not pile up at the head of the index.
alter table event set (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);

create function cold_generation() returns uuid
language sql stable security definer set search_path = public, pg_temp
as $$ select id from generation $$;

-- The oldest events that are here. Always from the beginning, and never "after id n": an id is drawn
-- before its transaction commits, so that a lower id can appear after a higher one has been read, and
-- who goes on after the higher one would lose it. Of one host, and of one database, ids are in order.
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

-- Removes exactly these events, which the cold plane holds durably; the same reason: not "up to".
create function cold_events_taken(ids bigint[]) returns bigint
language sql security definer set search_path = public, pg_temp
as $$
  with gone as (delete from event e where e.id = any (ids) returning 1)
  select count(*) from gone
$$;

-- Slots per host and size. A host without any slot comes once, with size null.
create function cold_pool() returns table (
  host_id text, url text, cordoned boolean, size text, vacant bigint, warm bigint, assigned bigint
)
language sql stable security definer set search_path = public, pg_temp
as $$
  with slot as (
    select v.host_id, v.size, count(*) as vacant, 0 as warm, 0 as assigned
      from slot_vacant v group by 1, 2
    union all
    select w.host_id, w.size, 0, count(*), 0 from slot_warm w group by 1, 2
    union all
    select a.host_id, a.size, 0, 0, count(*) from assignment a group by 1, 2
  )
  select h.host_id, h.url, h.cordoned, s.size, coalesce(sum(s.vacant), 0)::bigint,
         coalesce(sum(s.warm), 0)::bigint, coalesce(sum(s.assigned), 0)::bigint
    from host h left join slot s on s.host_id = h.host_id
   group by h.host_id, h.url, h.cordoned, s.size
   order by h.host_id, s.size
$$;

revoke execute on function cold_generation, cold_events, cold_events_taken, cold_pool from public;
grant execute on function cold_generation, cold_events, cold_events_taken, cold_pool to pilotlight_cold;

-- Down Migration

drop function cold_generation, cold_events, cold_events_taken, cold_pool;
alter table event reset (
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay
);
