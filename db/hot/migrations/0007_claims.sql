-- Up Migration

-- What claims slots, beside the form for several starts at once of migration 0006. Functions, so that
-- their plans are kept with every session however they are called. Every claim follows the same rules:
-- * All depends on the database's locked row, so that a lost race takes no slot, and what takes a slot is
--   MATERIALIZED with its LIMIT inside: as an IN-subquery the planner may run it once per row and claim
--   many (BUG #15715).
-- * Slots are looked for from a place drawn at random, round to it again, and removed by their ctid:
--   locked rows do not move.
-- * Locks: the database first, and slots never wait. So there is no ring with a report, which has
--   removed its slots before it locks databases.

-- One start: a vacant slot of the host that ran it last, else of those given in their order, else the
-- room of a warm one. A floor is of maintenance: it claims only while more slots are vacant, and evicts
-- nothing. No row: it is not there to be started. A row without host: there is no room, and nothing has
-- changed.
create function database_start(
  the_id text, hosts text[], silent text[], deadline_ms integer, force boolean, vacant_floor integer
) returns table (
  tenant text, size text, epoch bigint, host text, slot integer, evicts boolean
)
language plpgsql as $$
#variable_conflict use_column
begin
  return query
  with d as materialized (
    select b.id, b.tenant, b.size, b.last_host, b.directory,
           (random() * 4294967295 - 2147483648)::integer as start
      from database b
     where b.id = the_id
       and (b.state = 'suspended' or (b.state = 'broken' and (force or b.retry_at <= now())))
       and case when vacant_floor is null then true else above_floor(b.size, hosts, vacant_floor) end
       for update
  ), h as materialized (
    select k.host_id, d.size, d.start, p.n
      from d
      left join lateral (select x.local from host x where x.host_id = d.last_host limit 1) l on true
      cross join lateral (
        select d.last_host as host_id, 0 as n where d.last_host <> all (silent)
        union all
        select u.host_id, u.n from unnest(hosts) with ordinality u(host_id, n)
         where u.host_id is distinct from d.last_host
           and (l.local and d.directory is not null) is not true) p
      cross join lateral (
        select x.host_id from host x where x.host_id = p.host_id and not x.cordoned limit 1) k
  ), v as materialized (
    select s.* from (select * from h order by n) h cross join lateral (
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_vacant f
         where f.host_id = h.host_id and f.size = h.size and f.spread >= h.start
         order by f.spread limit 1 for update skip locked) x
      union all
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_vacant f
         where f.host_id = h.host_id and f.size = h.size and f.spread < h.start
         order by f.spread limit 1 for update skip locked) x
      limit 1) s
     limit 1
  ), w as materialized (
    select s.*
      from (select * from h where vacant_floor is null and not exists (select from v) order by n) h
     cross join lateral (
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_warm f
         where f.host_id = h.host_id and f.size = h.size and f.spread >= h.start
         order by f.spread limit 1 for update skip locked) x
      union all
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_warm f
         where f.host_id = h.host_id and f.size = h.size and f.spread < h.start
         order by f.spread limit 1 for update skip locked) x
      limit 1) s
     limit 1
  ), e as (
    update database b set epoch = b.epoch + 1, state = 'starting'
      from d
     where b.id = d.id and (exists (select from v) or exists (select from w))
    returning b.epoch
  ), dv as (
    delete from slot_vacant s using v where s.ctid = v.ctid
  ), dw as (
    delete from slot_warm s using w where s.ctid = w.ctid
  ), c as (
    select host_id, size, slot, false as evicts from v
    union all
    select host_id, size, slot, true from w
  ), a as (
    insert into assignment (database_id, tenant, host_id, size, slot, epoch, deadline)
    select d.id, d.tenant, c.host_id, c.size, c.slot, e.epoch,
           now() + deadline_ms * interval '1 millisecond'
      from d, c, e
  )
  select d.tenant, d.size, e.epoch, c.host_id, c.slot, c.evicts
    from d left join c on true left join e on true;
end
$$;

-- A create: a warm slot if there is one, else a vacant one for a clone, on the given hosts in their
-- order. The tenant's row is locked, so that its databases are never more than databases_max. Without
-- room, or beyond the maximum, nothing is written.
create function database_create(
  the_id text, the_tenant text, the_size text, hosts text[], document jsonb, deadline_ms integer,
  databases_max integer
) returns table (allowed boolean, host text, slot integer, source text)
language plpgsql as $$
#variable_conflict use_column
begin
  return query
  with t as materialized (
    select from tenant where name = the_tenant and databases < databases_max for no key update
  ), g as materialized (
    select exists (select from t)
        or not exists (select from tenant where name = the_tenant) and databases_max > 0 as allowed
  ), h as materialized (
    select k.host_id, the_size as size, u.n,
           (random() * 4294967295 - 2147483648)::integer as start
      from g
      join unnest(hosts) with ordinality u(host_id, n) on g.allowed
     cross join lateral (
        select x.host_id from host x where x.host_id = u.host_id and not x.cordoned limit 1) k
  ), w as materialized (
    select s.* from (select * from h order by n) h cross join lateral (
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_warm f
         where f.host_id = h.host_id and f.size = h.size and f.spread >= h.start
         order by f.spread limit 1 for update skip locked) x
      union all
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_warm f
         where f.host_id = h.host_id and f.size = h.size and f.spread < h.start
         order by f.spread limit 1 for update skip locked) x
      limit 1) s
     limit 1
  ), v as materialized (
    select s.* from (select * from h where not exists (select from w) order by n) h
     cross join lateral (
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_vacant f
         where f.host_id = h.host_id and f.size = h.size and f.spread >= h.start
         order by f.spread limit 1 for update skip locked) x
      union all
      select x.* from (
        select f.ctid, f.host_id, f.size, f.slot from slot_vacant f
         where f.host_id = h.host_id and f.size = h.size and f.spread < h.start
         order by f.spread limit 1 for update skip locked) x
      limit 1) s
     limit 1
  ), dw as (
    delete from slot_warm s using w where s.ctid = w.ctid
  ), dv as (
    delete from slot_vacant s using v where s.ctid = v.ctid
  ), c as (
    select host_id, size, slot, 'warm' as source from w
    union all
    select host_id, size, slot, 'clone' from v
  ), n as (
    insert into tenant (name) select the_tenant from c on conflict do nothing
  ), d as (
    insert into database (id, tenant, size, state, epoch, identity, identity_version)
    select the_id, the_tenant, the_size, 'starting', 1, document, 1 from c
  ), a as (
    insert into assignment (database_id, tenant, host_id, size, slot, epoch, deadline)
    select the_id, the_tenant, c.host_id, c.size, c.slot, 1,
           now() + deadline_ms * interval '1 millisecond'
      from c
  ), o as (
    insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
    select 'hot', 0, nextval('event_hot_seq'), 'database_created', now(), the_id, the_tenant, 1, the_size
      from c
  )
  select g.allowed, c.host_id, c.slot, c.source from g left join c on true;
end
$$;
revoke execute on function database_start, database_create from public;
grant execute on function database_start, database_create to pilotlight_api;

-- Down Migration

drop function database_start, database_create;
