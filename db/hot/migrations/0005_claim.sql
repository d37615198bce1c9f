-- Up Migration

-- Where a claim begins to look is drawn anew for each, and slots lie in the index in a mixed order: a
-- claim then walks over as many dead entries as lie before the next live one on average, wherever they
-- were left, and not over all that earlier claims left at one end. What was measured: database-start.ts.

-- Mixes slot numbers: multiplied by 2^32 over the golden ratio (odd, so no two slots come to one), modulo
-- 2^32. Neighbours come to lie far apart, and any run of slots evenly over the whole range.
create function slot_spread(slot integer) returns integer
language sql immutable parallel safe
return ((slot::bigint * 2654435769) % 4294967296 - 2147483648)::integer;

-- Slots are only said again by the next reports of their hosts, so nothing is carried over.
drop table slot_vacant, slot_warm;

create table slot_vacant (
  host_id text not null,
  size text not null,
  slot integer not null,
  spread integer not null generated always as (slot_spread(slot)) stored,
  -- Host first: a claim names host and size, a report its host.
  primary key (host_id, size, spread)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create table slot_warm (
  host_id text not null,
  size text not null,
  slot integer not null,
  directory text not null,
  spread integer not null generated always as (slot_spread(slot)) stored,
  primary key (host_id, size, spread)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
grant select, insert, update, delete on slot_vacant, slot_warm to pilotlight_api;

create index resync_host on resync (host_id);
insert into resync select host_id from host;

-- What a tenant may do beyond or below the defaults of model/limits.ts, by name; and how many databases
-- it has, counted here, so that a create that would be one too many is refused whatever runs beside it.
alter table tenant
  add column limits jsonb not null default '{}',
  add column databases integer not null default 0;

create function tenant_count() returns trigger
language plpgsql as $$
begin
  update tenant t
     set databases = t.databases + case tg_op when 'INSERT' then c.n else -c.n end
    from (select tenant, count(*)::integer as n from changed where deleted_at is null group by 1) c
   where t.name = c.tenant;
  return null;
end
$$;
create trigger tenant_counted after insert on database
  referencing new table as changed for each statement execute function tenant_count();
create trigger tenant_uncounted after delete on database
  referencing old table as changed for each statement execute function tenant_count();

create function tenant_recount() returns trigger
language plpgsql as $$
begin
  update tenant t
     set databases = t.databases + case when new.deleted_at is null then 1 else -1 end
   where t.name = new.tenant;
  return null;
end
$$;
create trigger tenant_recounted after update of deleted_at on database
  for each row when ((new.deleted_at is null) <> (old.deleted_at is null))
  execute function tenant_recount();
update tenant t
   set databases = (select count(*) from database d where d.tenant = t.name and d.deleted_at is null);

-- How much a tenant has awake is counted by this index. It is not written again by an update.
alter table assignment add column tenant text;
update assignment a set tenant = d.tenant from database d where d.id = a.database_id;
create index assignment_tenant on assignment (tenant);

-- Directories of a volume of kind `local` can be started on this host alone.
alter table host add column local boolean not null default false;

-- What the column is written from; the rest is migration 0002's, in whose place this stands:
-- * a cordoned host's slots are not to be had;
-- * nothing is read from end to end, and nothing written again that is there already.
drop function host_sync;

create function host_sync(
  the_host text, the_url text, the_boot bigint, the_version bigint, is_local boolean,
  capacity jsonb, slots jsonb
) returns boolean
language plpgsql as $$
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
         or exists (select from unnest(reports) r where r.size = v.size and r.slot = v.slot));
  delete from slot_warm w
  where w.host_id = the_host
    and not exists (
      select from unnest(reports) r
      where r.size = w.size and r.slot = w.slot and r.state = 'warm' and r.directory = w.directory);

  perform from database d
  where d.id in (select r.database from unnest(reports) r where r.database is not null
                 union select a.database_id from assignment a where a.host_id = the_host)
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
         select from unnest(reports) r
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
   where not exists (select from unnest(reports) r where r.size = c.key and r.slot = n)
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
$$;
revoke execute on function host_sync from public;
grant execute on function host_sync to pilotlight_api;

-- The cold plane's word on whether a host may be given work. Its slots leave the index with the
-- commit, so that no claim that comes later, or that has waited meanwhile, takes one; what runs there
-- goes on. Taken back, the host's next report brings its slots. Locks the host first, as a report does.
create function cold_cordon(the_host text, is_cordoned boolean) returns boolean
language plpgsql security definer set search_path = public, pg_temp
as $$
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
$$;
revoke execute on function cold_cordon from public;
grant execute on function cold_cordon to pilotlight_cold;

-- Down Migration

-- Agents say their slots to one form of the tables only.
do $$ begin raise exception 'a hot database does not go back from here: make a new one'; end $$;
