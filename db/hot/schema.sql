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
  PRIMARY KEY (host_id)
) with (fillfactor=50);

create table resync (
  host_id text not null
);

create table slot_vacant (
  size text not null,
  host_id text not null,
  slot integer not null,
  PRIMARY KEY (size, host_id, slot)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);

create table slot_warm (
  size text not null,
  host_id text not null,
  slot integer not null,
  directory text not null,
  PRIMARY KEY (size, host_id, slot)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);

create table tenant (
  name text not null,
  created_at timestamp with time zone not null default now(),
  PRIMARY KEY (name)
);

CREATE INDEX database_tenant ON public.database USING btree (tenant, id);

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

CREATE OR REPLACE FUNCTION public.cold_events(most integer)
 RETURNS TABLE(id bigint, host_id text, boot bigint, seq bigint, kind text, at timestamp with time zone, database_id text, directory text, tenant text, epoch bigint, size text, reason text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select e.id, e.host_id, e.boot, e.seq, e.kind, e.at, e.database_id, e.directory, e.tenant, e.epoch,
         e.size, e.reason
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

CREATE OR REPLACE FUNCTION public.host_sync(the_host text, the_url text, the_boot bigint, the_version bigint, capacity jsonb, slots jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
declare
  reports slot_report[];
begin
  insert into host (host_id, url, boot, version)
  values (the_host, the_url, the_boot, the_version)
  on conflict (host_id) do update
    set url = excluded.url, boot = excluded.boot, version = excluded.version
    where (host.boot, host.version) < (excluded.boot, excluded.version)
       or ((host.boot, host.version) = (excluded.boot, excluded.version)
           and exists (select from resync r where r.host_id = the_host));
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
         or exists (select from unnest(reports) r where r.size = v.size and r.slot = v.slot));
  delete from slot_warm w
  where w.host_id = the_host
    and not exists (
      select from unnest(reports) r
      where r.size = w.size and r.slot = w.slot and r.state = 'warm' and r.directory = w.directory);

  perform from database d
  where d.id in (select r.database from unnest(reports) r where r.database is not null)
     or d.id in (select a.database_id from assignment a where a.host_id = the_host)
  order by d.id
  for update;

  -- A slot that the index gave to someone else while another runs there: that attach is refused,
  -- and the other's start begins anew.
  with wrong as (
    delete from assignment a using unnest(reports) r
     where a.host_id = the_host and a.size = r.size and a.slot = r.slot
       and r.state = 'running' and a.database_id <> r.database
    returning a.database_id, a.epoch
  )
  update database d set state = 'suspended'
    from wrong w
   where d.id = w.database_id and d.epoch = w.epoch
     and d.state in ('starting', 'running', 'suspending');

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
            or (d.said_boot, d.said_version) < (the_boot, the_version))
       and ((d.state in ('suspended', 'starting', 'broken') and r.epoch >= d.epoch)
            or (d.state in ('running', 'suspending') and r.epoch > d.epoch)
            -- The same run in another slot than the index believes: an attach that the agent had
            -- answered before, or a restart in place, was taken for the claim of a new slot.
            or (d.state = 'running' and r.epoch = d.epoch
                and not exists (
                  select from assignment a
                  where a.database_id = d.id and a.host_id = the_host
                    and a.size = r.size and a.slot = r.slot)))
    returning d.id, r.size, r.slot, r.epoch, r.socket, r.port
  )
  insert into assignment (database_id, host_id, size, slot, epoch, boot, version, socket, port)
  select t.id, the_host, t.size, t.slot, t.epoch, the_boot, the_version, t.socket, t.port
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
         select from unnest(reports) r
         where r.database = d.id and r.state in ('starting', 'running', 'stopping'))
    returning d.id
  )
  delete from assignment a using gone g where a.database_id = g.id;

  insert into slot_vacant (size, host_id, slot)
  select c.key, the_host, n
    from jsonb_each_text(capacity) c, generate_series(1, c.value::integer) n
   where not exists (select from unnest(reports) r where r.size = c.key and r.slot = n)
     and not exists (
       select from assignment a where a.host_id = the_host and a.size = c.key and a.slot = n)
  on conflict do nothing;
  insert into slot_warm (size, host_id, slot, directory)
  select r.size, the_host, r.slot, r.directory
    from unnest(reports) r
   where r.state = 'warm'
     and not exists (
       select from assignment a
       where a.host_id = the_host and a.size = r.size and a.slot = r.slot)
  on conflict (size, host_id, slot) do update set directory = excluded.directory;

  -- An insert above may have waited for a claim of that very slot, and then looked at assignments
  -- as they were before it: this statement sees them as they are now, and nobody has seen our rows.
  delete from slot_vacant v using assignment a
   where v.host_id = the_host
     and a.host_id = v.host_id and a.size = v.size and a.slot = v.slot;
  delete from slot_warm w using assignment a
   where w.host_id = the_host
     and a.host_id = w.host_id and a.size = w.size and a.slot = w.slot;
  return true;
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
