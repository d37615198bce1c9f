-- Generated from the migrations by dev/generate/schema.ts; not run by anything.

create table assignment (
  database_id text not null,
  host_id text not null,
  size text not null,
  slot integer not null,
  epoch bigint not null,
  boot bigint,
  version bigint,
  socket text,
  port integer,
  deadline timestamp with time zone,
  tenant text,
  UNIQUE (host_id, size, slot),
  PRIMARY KEY (database_id)
) with (fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);

create table database (
  id text not null,
  tenant text not null,
  size text not null,
  state text not null,
  epoch bigint not null,
  directory text,
  last_host text,
  said_boot bigint not null default 0,
  said_version bigint not null default '-1'::integer,
  failures integer not null default 0,
  broken_reason text,
  retry_at timestamp with time zone,
  identity jsonb not null,
  identity_version bigint not null,
  created_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  PRIMARY KEY (id),
  FOREIGN KEY (tenant) REFERENCES tenant(name),
  CHECK ((state = ANY (ARRAY['suspended'::text, 'starting'::text, 'running'::text, 'suspending'::text, 'broken'::text, 'deleting'::text])))
) with (fillfactor=70);

create table event (
  id bigint not null generated always as identity,
  host_id text not null,
  boot bigint not null,
  seq bigint not null,
  kind text not null,
  at timestamp with time zone not null,
  database_id text,
  directory text,
  tenant text,
  epoch bigint,
  size text,
  reason text,
  cause jsonb,
  request_id text,
  sessions jsonb,
  UNIQUE (host_id, boot, seq),
  PRIMARY KEY (id)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);

create table generation (
  one_row boolean not null default true,
  id uuid not null default gen_random_uuid(),
  PRIMARY KEY (one_row),
  CHECK (one_row)
);

create table host (
  host_id text not null,
  url text not null,
  boot bigint not null,
  version bigint not null,
  cordoned boolean not null default false,
  local boolean not null default false,
  PRIMARY KEY (host_id)
) with (fillfactor=50);

create table resync (
  host_id text not null
);

create table slot_vacant (
  host_id text not null,
  size text not null,
  slot integer not null,
  spread integer not null default slot_spread(slot),
  PRIMARY KEY (host_id, size, spread)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);

create table slot_warm (
  host_id text not null,
  size text not null,
  slot integer not null,
  directory text not null,
  spread integer not null default slot_spread(slot),
  PRIMARY KEY (host_id, size, spread)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);

create table tenant (
  name text not null,
  created_at timestamp with time zone not null default now(),
  limits jsonb not null default '{}'::jsonb,
  databases integer not null default 0,
  PRIMARY KEY (name)
);

CREATE INDEX assignment_tenant ON public.assignment USING btree (tenant);

CREATE INDEX database_tenant ON public.database USING btree (tenant, id);

CREATE INDEX resync_host ON public.resync USING btree (host_id);

CREATE OR REPLACE FUNCTION public.above_floor(the_size text, hosts text[], vacant_floor integer)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_advisory_xact_lock(hashtext('above_floor'), hashtext(the_size));
  return (
    select count(*) > vacant_floor
      from (select from slot_vacant v
             where v.size = the_size and v.host_id = any (hosts) limit vacant_floor + 1) s);
end
$function$
;

CREATE OR REPLACE FUNCTION public.assignment_sweep(after text, page_rows integer, late_max integer)
 RETURNS TABLE(next text, database text, was text, host text)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with page as materialized (
    select a.database_id, a.host_id, a.deadline from assignment a
     where a.database_id > after order by a.database_id limit page_rows
  ), late as materialized (
    select d.id, d.state, d.last_host, p.host_id
      from page p join database d on d.id = p.database_id
     where p.deadline < now()
     order by d.id
     limit late_max
     for update of d skip locked
  ), d as (
    update database b
       set state = case late.state
             when 'starting' then 'suspended'
             when 'suspending' then 'running'
             else b.state end
      from late
     where b.id = late.id
  ), gone as (
    delete from assignment a using late
     where a.database_id = late.id and late.state not in ('running', 'suspending')
  ), kept as (
    update assignment a set deadline = null
      from late
     where a.database_id = late.id and late.state in ('running', 'suspending')
  ), h as (
    insert into resync
    select late.host_id from late
    union select late.last_host from late where late.last_host is not null
  )
  select case when p.n = page_rows then p.last else '' end, late.id, late.state, late.host_id
    from (select count(*) as n, max(page.database_id) as last from page) p left join late on true;
end
$function$
;

CREATE OR REPLACE FUNCTION public.cold_cordon(the_host text, is_cordoned boolean)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  update host set cordoned = is_cordoned where host_id = the_host;
  if not found then
    return false;
  end if;
  if is_cordoned then
    delete from slot_vacant where host_id = the_host;
    delete from slot_warm where host_id = the_host;
  else
    insert into resync values (the_host);
  end if;
  return true;
end
$function$
;

CREATE OR REPLACE FUNCTION public.cold_events(most integer)
 RETURNS TABLE(id bigint, host_id text, boot bigint, seq bigint, kind text, at timestamp with time zone, database_id text, directory text, tenant text, epoch bigint, size text, reason text, cause jsonb, sessions jsonb)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select e.id, e.host_id, e.boot, e.seq, e.kind, e.at, e.database_id, e.directory, e.tenant, e.epoch,
         e.size, e.reason, e.cause, e.sessions
    from event e order by e.id limit least(most, 1000)
$function$
;

CREATE OR REPLACE FUNCTION public.cold_events_taken(ids bigint[])
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  with gone as (delete from event e where e.id = any (ids) returning 1)
  select count(*) from gone
$function$
;

CREATE OR REPLACE FUNCTION public.cold_generation()
 RETURNS uuid
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$ select id from generation $function$
;

CREATE OR REPLACE FUNCTION public.cold_pool()
 RETURNS TABLE(host_id text, url text, cordoned boolean, size text, vacant bigint, warm bigint, assigned bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.database_adopt(doc jsonb, the_host text)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
begin
  insert into tenant (name) values (doc ->> 'tenant') on conflict do nothing;
  insert into database (id, tenant, size, state, epoch, directory, last_host, identity,
                        identity_version, created_at, deleted_at)
  values (doc ->> 'id', doc ->> 'tenant', doc ->> 'size',
          case when doc ->> 'deleted_at' is null then 'suspended' else 'deleting' end,
          1, doc ->> 'directory', the_host, doc, (doc ->> 'version')::bigint,
          (doc ->> 'created_at')::timestamptz, (doc ->> 'deleted_at')::timestamptz)
  on conflict (id) do nothing;
  if not found then
    return false;
  end if;
  insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
  select 'hot', 0, nextval('event_hot_seq'), k.kind, k.at, doc ->> 'id', doc ->> 'tenant', 1,
         doc ->> 'size'
    from (values (1, 'database_created', (doc ->> 'created_at')::timestamptz),
                 (2, 'database_deleted', (doc ->> 'deleted_at')::timestamptz)) k(n, kind, at)
   where k.at is not null
   order by k.n;
  return true;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_create(the_id text, the_tenant text, the_size text, hosts text[], document jsonb, deadline_ms integer, databases_max integer)
 RETURNS TABLE(allowed boolean, host text, slot integer, source text)
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.database_create_undo(the_id text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  with d as (
    delete from database b
     where b.id = the_id and b.epoch = 1 and b.state in ('starting', 'suspended')
       and b.directory is null
    returning b.id, b.tenant, b.size
  ), a as (
    delete from assignment x using d where x.database_id = d.id
    returning x.host_id
  ), h as (
    insert into resync select a.host_id from a
  )
  insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
  select 'hot', 0, nextval('event_hot_seq'), 'database_create_undone', now(), d.id, d.tenant, 1, d.size
    from d;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_find(the_id text)
 RETURNS SETOF database_now
 LANGUAGE plpgsql
 STABLE ROWS 1
AS $function$
begin
  return query
  select d.id, d.tenant, d.size, d.state, d.epoch, d.directory, d.last_host,
         d.failures, d.broken_reason, d.retry_at, d.identity, d.identity_version,
         d.created_at, d.deleted_at,
         a.host_id, a.size, a.slot, a.epoch, a.socket, a.port
    from database d left join assignment a on a.database_id = d.id
   where d.id = the_id;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_held(the_id text, asked bigint, holder text, held bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  with d as (
    update database b
       set epoch = held, last_host = holder, said_boot = 0, said_version = -1, state = 'suspended'
     where b.id = the_id and b.epoch = asked and b.state = 'starting'
    returning b.id
  ), a as (
    delete from assignment x using d where x.database_id = d.id
    returning x.host_id
  )
  insert into resync select a.host_id from a union select holder from d;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_identity(doc jsonb)
 RETURNS TABLE(host text, epoch bigint)
 LANGUAGE sql
AS $function$
  select from database d where d.id = doc ->> 'id' for update;
  with d as (
    update database d
       set identity = doc, identity_version = (doc ->> 'version')::bigint,
           deleted_at = (doc ->> 'deleted_at')::timestamptz, size = doc ->> 'size',
           state = case when doc ->> 'deleted_at' is not null then 'deleting'
                        when d.state = 'deleting' then 'suspended' else d.state end
      from database o
     where d.id = doc ->> 'id' and d.identity_version < (doc ->> 'version')::bigint and o.id = d.id
    returning d.id, d.tenant, d.size, d.epoch, d.last_host, d.deleted_at,
              o.deleted_at as was_deleted_at
  ), a as (
    delete from assignment a using d where a.database_id = d.id and d.deleted_at is not null
    returning a.host_id, a.epoch
  ), u as (
    select d.last_host as host_id from d
     where d.was_deleted_at is not null and d.deleted_at is null and d.last_host is not null
  ), h as (
    insert into resync select a.host_id from a union select u.host_id from u
  ), n as (
    insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
    select 'hot', 0, nextval('event_hot_seq'),
           case when d.deleted_at is not null then 'database_deleted'
                when d.was_deleted_at is not null then 'database_undeleted'
                else 'database_changed' end,
           now(), d.id, d.tenant, d.epoch, d.size
      from d
  )
  select a.host_id, a.epoch from a
$function$
;

CREATE OR REPLACE FUNCTION public.database_kept(the_id text, the_epoch bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  with d as (
    update database b set state = 'running'
     where b.id = the_id and b.epoch = the_epoch and b.state = 'suspending'
    returning b.id
  ), a as (
    update assignment x set deadline = null from d where x.database_id = d.id
    returning x.host_id
  )
  insert into resync select a.host_id from a;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_list(from_id text, the_state text, the_labels jsonb, page integer, tenants text[])
 RETURNS SETOF database_now
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if tenants is null then
    return query
    select f.* from (
      select d.id from database d
       where d.id > from_id
         and (the_state is null or d.state = the_state)
         and (the_labels is null or d.identity -> 'labels' @> the_labels)
       order by d.id limit page) d
     cross join lateral database_find(d.id) f
     order by d.id;
  else
    return query
    select f.* from (
      select d.id from unnest(tenants) t(name) cross join lateral (
        select d.id from database d
         where d.tenant = t.name and d.id > from_id
           and (the_state is null or d.state = the_state)
           and (the_labels is null or d.identity -> 'labels' @> the_labels)
         order by d.id limit page) d
       order by d.id limit page) d
     cross join lateral database_find(d.id) f
     order by d.id;
  end if;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_raise(the_id text, asked bigint, minted bigint)
 RETURNS TABLE(epoch bigint)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with d as (
    update database b set epoch = minted + 1
     where b.id = the_id and b.epoch = asked and b.state = 'starting' and b.epoch <= minted
    returning b.id, b.epoch
  ), a as (
    update assignment x set epoch = d.epoch from d where x.database_id = d.id
  )
  select d.epoch from d;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_running(the_id text, the_epoch bigint, the_directory text, host text, the_boot bigint, the_version bigint, the_socket text, the_port integer)
 RETURNS TABLE(id text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
begin
  return query
  with d as (
    update database
       set state = 'running', directory = the_directory, last_host = host, said_boot = the_boot,
           said_version = the_version, failures = 0, broken_reason = null, retry_at = null
     where id = the_id and epoch = the_epoch and state = 'starting'
    returning id
  )
  update assignment a
     set boot = the_boot, version = the_version, socket = the_socket, port = the_port, deadline = null
    from d
   where a.database_id = d.id and a.epoch = the_epoch
  returning a.database_id;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_start(the_id text, hosts text[], silent text[], deadline_ms integer, force boolean, vacant_floor integer)
 RETURNS TABLE(tenant text, size text, epoch bigint, host text, slot integer, evicts boolean)
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.database_start_again(the_id text, stale_epoch bigint, deadline_ms integer)
 RETURNS TABLE(tenant text, epoch bigint, size text, host text, slot integer, evicts boolean)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with e as (
    update database b set epoch = b.epoch + 1, state = 'starting'
     where b.id = the_id
       and (b.state = 'suspending' or (b.state = 'running' and b.epoch = stale_epoch))
    returning b.id, b.tenant, b.epoch, b.size
  ), a as (
    update assignment x
       set epoch = e.epoch, boot = null, version = null, socket = null, port = null,
           deadline = now() + deadline_ms * interval '1 millisecond'
      from e
     where x.database_id = e.id
    returning x.database_id, x.host_id, x.size, x.slot
  )
  select e.tenant, e.epoch, coalesce(a.size, e.size), a.host_id, a.slot, false
    from e left join a on a.database_id = e.id;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_start_failed(the_id text, the_epoch bigint, counted integer, broken_after integer, reason text, backoff_ms bigint[])
 RETURNS TABLE(state text)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with d as (
    update database b
       set failures = b.failures + counted,
           state = case when b.failures + counted >= broken_after then 'broken' else 'suspended' end,
           broken_reason = case when b.failures + counted >= broken_after then reason
                                else b.broken_reason end,
           retry_at = case when b.failures + counted >= broken_after
             then now() + interval '1 millisecond'
               * backoff_ms[least(b.failures + counted - broken_after + 1, cardinality(backoff_ms))] end
     where b.id = the_id and b.epoch = the_epoch and b.state = 'starting'
    returning b.id, b.state, b.last_host
  ), a as (
    delete from assignment x using d where x.database_id = d.id and x.epoch = the_epoch
    returning x.host_id
  ), h as (
    insert into resync
    select a.host_id from a union select d.last_host from d where d.last_host is not null
  )
  select d.state from d;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_suspend(the_id text, the_epoch bigint, deadline_ms integer)
 RETURNS TABLE(host text)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with d as (
    update database b set state = 'suspending'
     where b.id = the_id and b.epoch = the_epoch and b.state = 'running'
    returning b.id
  )
  update assignment a set deadline = now() + deadline_ms * interval '1 millisecond'
    from d where a.database_id = d.id
  returning a.host_id;
end
$function$
;

CREATE OR REPLACE FUNCTION public.database_suspended(the_id text, the_epoch bigint, the_boot bigint, the_version bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  with d as (
    update database b set state = 'suspended', said_boot = the_boot, said_version = the_version
     where b.id = the_id and b.epoch = the_epoch and b.state in ('running', 'suspending')
    returning b.id
  ), a as (
    delete from assignment a using d where a.database_id = d.id and a.epoch = the_epoch
    returning a.host_id, a.size, a.slot
  )
  insert into slot_vacant (host_id, size, slot)
  select a.host_id, a.size, a.slot from a join host k on k.host_id = a.host_id and not k.cordoned
  on conflict do nothing;
end
$function$
;

CREATE OR REPLACE FUNCTION public.databases_running(ids text[], epochs bigint[], directories text[], hosts text[], boots bigint[], versions bigint[], sockets text[], ports integer[])
 RETURNS TABLE(nr bigint)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with q as materialized (
    select * from unnest(ids, epochs, directories, hosts, boots, versions, sockets, ports)
      with ordinality u(id, epoch, directory, host_id, boot, version, socket, port, nr)
  ), l as materialized (
    select b.id from database b where b.id = any (ids) order by b.id for update skip locked
  ), d as (
    update database b
       set state = 'running', directory = q.directory, last_host = q.host_id, said_boot = q.boot,
           said_version = q.version, failures = 0, broken_reason = null, retry_at = null
      from l join q on q.id = l.id
     where b.id = l.id and b.epoch = q.epoch and b.state = 'starting'
    returning q.*
  )
  update assignment a
     set boot = d.boot, version = d.version, socket = d.socket, port = d.port, deadline = null
    from d
   where a.database_id = d.id and a.epoch = d.epoch
  returning d.nr;
end
$function$
;

CREATE OR REPLACE FUNCTION public.databases_start(ids text[], hosts text[], silent text[], deadline_ms integer)
 RETURNS TABLE(nr bigint, tenant text, size text, epoch bigint, host text, slot integer, evicts boolean)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with q as materialized (
    select u.id, u.host_id, u.nr from unnest(ids, hosts) with ordinality u(id, host_id, nr)
  ), d as materialized (
    select b.id, b.tenant, b.size, b.last_host, b.directory
      from database b
     where b.id = any (ids) and b.state = 'suspended'
     order by b.id for update skip locked
  ), p as materialized (
    select d.id, q.nr, d.tenant, d.size, k.host_id,
           row_number() over (partition by k.host_id, d.size) as n
      from d
      join q on q.id = d.id
      left join lateral (select h.* from host h where h.host_id = d.last_host limit 1) l on true
      cross join lateral (
        select h.host_id from host h
         where not h.cordoned and h.host_id = case
           when not l.cordoned and l.host_id <> all (silent) then l.host_id
           when (l.local and d.directory is not null) is not true then q.host_id end
         limit 1) k
  ), h as materialized (
    select p.host_id, p.size, count(*) as need,
           (random() * 4294967295 - 2147483648)::integer as start
      from p group by 1, 2
  ), v as materialized (
    select s.*, row_number() over (partition by s.host_id, s.size) as n
      from h cross join lateral (
        select x.* from (
          select f.ctid, f.host_id, f.size, f.slot from slot_vacant f
           where f.host_id = h.host_id and f.size = h.size and f.spread >= h.start
           order by f.spread limit h.need for update skip locked) x
        union all
        select x.* from (
          select f.ctid, f.host_id, f.size, f.slot from slot_vacant f
           where f.host_id = h.host_id and f.size = h.size and f.spread < h.start
           order by f.spread limit h.need for update skip locked) x
        limit h.need) s
  ), m as materialized (
    select p.id, p.nr, p.tenant, v.host_id, v.size, v.slot, v.ctid
      from p join v on v.host_id = p.host_id and v.size = p.size and v.n = p.n
  ), e as (
    update database b set epoch = b.epoch + 1, state = 'starting' from m where b.id = m.id
    returning m.*, b.epoch
  ), dv as (
    delete from slot_vacant s using m where s.ctid = m.ctid
  ), a as (
    insert into assignment (database_id, tenant, host_id, size, slot, epoch, deadline)
    select e.id, e.tenant, e.host_id, e.size, e.slot, e.epoch,
           now() + deadline_ms * interval '1 millisecond'
      from e
  )
  select e.nr, e.tenant, e.size, e.epoch, e.host_id, e.slot, false from e;
end
$function$
;

CREATE OR REPLACE FUNCTION public.databases_suspend(ids text[], epochs bigint[], deadlines_ms integer[])
 RETURNS TABLE(nr bigint, host text)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with q as materialized (
    select * from unnest(ids, epochs, deadlines_ms) with ordinality u(id, epoch, ms, nr)
  ), l as materialized (
    select b.id from database b where b.id = any (ids) order by b.id for update skip locked
  ), d as (
    update database b set state = 'suspending'
      from l join q on q.id = l.id
     where b.id = l.id and b.epoch = q.epoch and b.state = 'running'
    returning q.*
  )
  update assignment a set deadline = now() + d.ms * interval '1 millisecond'
    from d where a.database_id = d.id
  returning d.nr, a.host_id;
end
$function$
;

CREATE OR REPLACE FUNCTION public.databases_suspended(ids text[], epochs bigint[], boots bigint[], versions bigint[])
 RETURNS TABLE(nr bigint)
 LANGUAGE plpgsql
AS $function$
begin
  return query
  with q as materialized (
    select * from unnest(ids, epochs, boots, versions) with ordinality u(id, epoch, boot, version, nr)
  ), l as materialized (
    select b.id from database b where b.id = any (ids) order by b.id for update skip locked
  ), d as (
    update database b set state = 'suspended', said_boot = q.boot, said_version = q.version
      from l join q on q.id = l.id
     where b.id = l.id and b.epoch = q.epoch and b.state in ('running', 'suspending')
    returning q.*
  ), a as (
    delete from assignment a using d where a.database_id = d.id and a.epoch = d.epoch
    returning a.host_id, a.size, a.slot
  ), v as (
    insert into slot_vacant (host_id, size, slot)
    select a.host_id, a.size, a.slot from a join host k on k.host_id = a.host_id and not k.cordoned
    on conflict do nothing
  )
  select d.nr from d;
end
$function$
;

CREATE OR REPLACE FUNCTION public.event_insert(events jsonb, most bigint)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.host_sync(the_host text, the_url text, the_boot bigint, the_version bigint, is_local boolean, capacity jsonb, slots jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
declare
  reports slot_report[];
  is_cordoned boolean;
begin
  insert into host (host_id, url, boot, version, local)
  values (the_host, the_url, the_boot, the_version, is_local)
  on conflict (host_id) do update
    set url = excluded.url, boot = excluded.boot, version = excluded.version, local = excluded.local
    where (host.boot, host.version) < (excluded.boot, excluded.version)
       or ((host.boot, host.version) = (excluded.boot, excluded.version)
           and exists (select from resync r where r.host_id = the_host))
  returning cordoned into is_cordoned;
  if not found then
    return false;
  end if;
  delete from resync where host_id = the_host;

  reports := array(
    select row(s ->> 'size', (s ->> 'slot')::integer, s ->> 'state', s ->> 'directory',
               (s ->> 'epoch')::bigint, s ->> 'database',
               s -> 'address' ->> 'socket', (s -> 'address' ->> 'port')::integer)::slot_report
      from jsonb_array_elements(slots) s);

  delete from slot_vacant v
  where v.host_id = the_host
    and (v.slot > coalesce((capacity ->> v.size)::integer, 0)
         or exists (select from slot_reports(reports) r where r.size = v.size and r.slot = v.slot));
  delete from slot_warm w
  where w.host_id = the_host
    and not exists (
      select from slot_reports(reports) r
      where r.size = w.size and r.slot = w.slot and r.state = 'warm' and r.directory = w.directory);

  perform from database d
  where d.id in (select r.database from unnest(reports) r where r.database is not null
                 union select a.database_id from assignment a where a.host_id = the_host)
  order by d.id
  for update;

  -- A slot that the index gave to someone else while another runs there: that attach is refused,
  -- and the other's start begins anew.
  with wrong as (
    delete from assignment a using slot_reports(reports) r
     where a.host_id = the_host and a.size = r.size and a.slot = r.slot
       and r.state = 'running' and a.database_id <> r.database
    returning a.database_id, a.epoch
  ), d as (
    update database b set state = 'suspended'
      from wrong w
     where b.id = w.database_id and b.epoch = w.epoch
       and b.state in ('starting', 'running', 'suspending')
    returning b.last_host
  )
  insert into resync select distinct d.last_host from d where d.last_host is not null;

  -- What the host runs is so, where the index is not ahead of it.
  with taken as (
    update database d
       set state = 'running', epoch = r.epoch, directory = r.directory, last_host = the_host,
           said_boot = the_boot, said_version = the_version,
           failures = 0, broken_reason = null, retry_at = null
      from unnest(reports) r
     where d.id = r.database
       and r.state = 'running'
       and (d.last_host is distinct from the_host
            or (d.said_boot, d.said_version) <= (the_boot, the_version))
       and ((d.state in ('suspended', 'starting', 'broken') and r.epoch >= d.epoch)
            -- A later epoch was raised, and whoever raised it gave up before it was minted: it runs as
            -- it did, says the host that ran it last.
            or (d.state = 'suspended' and r.epoch < d.epoch and d.last_host = the_host)
            or (d.state in ('running', 'suspending') and r.epoch > d.epoch)
            -- The same run in another slot than the index believes: an attach that the agent had
            -- answered before, or a restart in place, was taken for the claim of a new slot.
            or (d.state = 'running' and r.epoch = d.epoch
                and not exists (
                  select from assignment a
                  where a.database_id = d.id and a.host_id = the_host
                    and a.size = r.size and a.slot = r.slot)))
    returning d.id, d.tenant, r.size, r.slot, r.epoch, r.socket, r.port
  )
  insert into assignment
    (database_id, tenant, host_id, size, slot, epoch, boot, version, socket, port)
  select t.id, t.tenant, the_host, t.size, t.slot, t.epoch, the_boot, the_version, t.socket, t.port
    from taken t
  on conflict (database_id) do update
    set host_id = excluded.host_id, size = excluded.size, slot = excluded.slot,
        epoch = excluded.epoch, boot = excluded.boot, version = excluded.version,
        socket = excluded.socket, port = excluded.port, deadline = null;

  -- What the index believes to run there, since before this report, and does not: it was suspended.
  with gone as (
    update database d
       set state = 'suspended', said_boot = the_boot, said_version = the_version
      from assignment a
     where a.database_id = d.id
       and a.host_id = the_host
       and d.state = 'running'
       and d.epoch = a.epoch
       and (a.boot, a.version) < (the_boot, the_version)
       and not exists (
         select from slot_reports(reports) r
         where r.database = d.id and r.state in ('starting', 'running', 'stopping'))
    returning d.id
  )
  delete from assignment a using gone g where a.database_id = g.id;

  if is_cordoned then
    return true;
  end if;

  -- A slot that is being claimed or vacated at this moment is there or assigned as of this statement,
  -- before or after, so that it is left alone.
  insert into slot_vacant (size, host_id, slot)
  select c.key, the_host, n
    from jsonb_each_text(capacity) c, generate_series(1, c.value::integer) n
   where not exists (select from slot_reports(reports) r where r.size = c.key and r.slot = n)
     and not exists (
       select from assignment a where a.host_id = the_host and a.size = c.key and a.slot = n)
     and not exists (
       select from slot_vacant v where v.host_id = the_host and v.size = c.key and v.slot = n)
  on conflict do nothing;
  insert into slot_warm (size, host_id, slot, directory)
  select r.size, the_host, r.slot, r.directory
    from unnest(reports) r
   where r.state = 'warm'
     and not exists (
       select from assignment a
       where a.host_id = the_host and a.size = r.size and a.slot = r.slot)
     and not exists (
       select from slot_warm w
       where w.host_id = the_host and w.size = r.size and w.slot = r.slot)
  on conflict do nothing;
  return true;
end
$function$
;

CREATE OR REPLACE FUNCTION public.rebuild_behind(page jsonb)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return query
  select p.id
    from rebuild_items(page) p
    left join database d on d.id = p.id
    left join assignment a on a.database_id = p.id
   where d.id is null or d.identity_version < p.version
      or rebuild_outrun(d.state, d.epoch, a.deadline, p.epoch);
end
$function$
;

CREATE OR REPLACE FUNCTION public.rebuild_items(page jsonb)
 RETURNS TABLE(id text, tenant text, version bigint, created_at timestamp with time zone, deleted_at timestamp with time zone, doc jsonb, limits jsonb, host text, epoch bigint, released boolean, purged boolean)
 LANGUAGE sql
 STABLE
AS $function$
  select p.doc ->> 'id', p.doc ->> 'tenant', (p.doc ->> 'version')::bigint,
         (p.doc ->> 'created_at')::timestamptz, (p.doc ->> 'deleted_at')::timestamptz, p.doc,
         p.limits, p.host, p.epoch, p.released, p.purged
    from jsonb_to_recordset(page) as p(
      doc jsonb, limits jsonb, host text, epoch bigint, released boolean, purged boolean)
$function$
;

CREATE OR REPLACE FUNCTION public.rebuild_outrun(state text, known bigint, deadline timestamp with time zone, minted bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select known < minted and (state <> 'starting' or deadline < now())
$function$
;

CREATE OR REPLACE FUNCTION public.rebuild_page(page jsonb)
 RETURNS TABLE(made bigint, newer bigint, raised bigint)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  news text[];
  newer_rows bigint;
  raised_rows bigint;
begin
  insert into tenant (name)
  select distinct p.tenant from rebuild_items(page) p order by 1
  on conflict do nothing;

  with n as (
    insert into database (id, tenant, size, state, epoch, directory, last_host, identity,
                          identity_version, created_at, deleted_at)
    select p.id, p.tenant, p.doc ->> 'size',
           case when p.deleted_at is null then 'suspended' else 'deleting' end,
           greatest(p.epoch, 1), p.doc ->> 'directory', p.host, p.doc, p.version, p.created_at,
           p.deleted_at
      from rebuild_items(page) p
     order by p.id
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(n.id), '{}') into news from n;

  -- The cold plane keeps a list of its own by these. Of what has been purged it needs none.
  insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
  select 'hot', 0, nextval('event_hot_seq'), k.kind, k.at, p.id, p.tenant, greatest(p.epoch, 1),
         p.doc ->> 'size'
    from rebuild_items(page) p
   cross join lateral (values (1, 'database_created', p.created_at),
                              (2, 'database_deleted', p.deleted_at)) k(n, kind, at)
   where p.id = any (news) and not p.purged and k.at is not null
   order by p.id, k.n;

  perform from database d
    where d.id in (select p.id from rebuild_items(page) p) order by d.id for update;

  select count(*) into newer_rows
    from rebuild_items(page) p join database d on d.id = p.id
   where d.identity_version < p.version;
  perform from rebuild_items(page) p cross join lateral database_identity(p.doc);

  with o as materialized (
    select d.id, d.epoch as known, p.epoch as minted, p.host
      from rebuild_items(page) p
      join database d on d.id = p.id
      left join assignment a on a.database_id = p.id
     where rebuild_outrun(d.state, d.epoch, a.deadline, p.epoch)
        or d.state in ('running', 'suspending') and d.epoch = p.epoch and p.released
  ), u as (
    update database d
       set epoch = o.minted, last_host = o.host, said_boot = 0, said_version = -1,
           state = case when d.state in ('starting', 'running', 'suspending') then 'suspended'
                        else d.state end
      from o
     where d.id = o.id
  ), g as (
    delete from assignment a using o where a.database_id = o.id returning a.host_id
  ), r as (
    insert into resync select g.host_id from g union select o.host from o
  )
  select count(*) filter (where o.known < o.minted) into raised_rows from o;

  -- A document says what its tenant's limits were when it was made. The newest one counts, where the
  -- index did not know it, or knows no limits of that tenant.
  update tenant t
     set limits = n.limits
    from (select distinct on (p.tenant) p.* from rebuild_items(page) p
           order by p.tenant, p.created_at desc) n
   where t.name = n.tenant and t.limits <> n.limits
     and (n.id = any (news) or t.limits = '{}')
     and not exists (
       select from database d where d.tenant = n.tenant and d.created_at > n.created_at);

  return query select cardinality(news)::bigint, newer_rows, raised_rows;
end
$function$
;

CREATE OR REPLACE FUNCTION public.rebuild_strangers(after text, upto text, ids text[])
 RETURNS TABLE(id text, made boolean)
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return query
  select d.id, d.directory is not null
    from database d
   where d.id > after and (upto is null or d.id <= upto) and d.id <> all (ids)
     and d.state <> 'starting'
   order by d.id;
end
$function$
;

CREATE OR REPLACE FUNCTION public.slot_reports(reports slot_report[])
 RETURNS SETOF slot_report
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return query select * from unnest(reports);
end
$function$
;

CREATE OR REPLACE FUNCTION public.slot_spread(slot integer)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((((slot)::bigint * '2654435769'::bigint) % '4294967296'::bigint) - '2147483648'::bigint))::integer
;

CREATE OR REPLACE FUNCTION public.tenant_count()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update tenant t
     set databases = t.databases + case tg_op when 'INSERT' then c.n else -c.n end
    from (select tenant, count(*)::integer as n from changed where deleted_at is null group by 1) c
   where t.name = c.tenant;
  return null;
end
$function$
;

CREATE OR REPLACE FUNCTION public.tenant_find(the_id text, the_name text, running_max integer)
 RETURNS TABLE(name text, limits jsonb, running bigint)
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return query
  select t.name, t.limits,
         (select count(*)
            from (select from assignment a where a.tenant = t.name
                   limit coalesce((t.limits ->> 'running')::integer, running_max)) a)
    from tenant t
   where t.name = coalesce(the_name, (select d.tenant from database d where d.id = the_id));
end
$function$
;

CREATE OR REPLACE FUNCTION public.tenant_recount()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update tenant t
     set databases = t.databases + case when new.deleted_at is null then 1 else -1 end
   where t.name = new.tenant;
  return null;
end
$function$
;

grant delete, insert, select, update on assignment to pilotlight_api;

grant delete, insert, select, update on database to pilotlight_api;

grant insert, select on event to pilotlight_api;

grant usage on event_hot_seq to pilotlight_api;

grant select on generation to pilotlight_api;

grant delete, insert, select, update on host to pilotlight_api;

grant delete, insert, select, update on resync to pilotlight_api;

grant delete, insert, select, update on slot_vacant to pilotlight_api;

grant delete, insert, select, update on slot_warm to pilotlight_api;

grant delete, insert, select, update on tenant to pilotlight_api;
