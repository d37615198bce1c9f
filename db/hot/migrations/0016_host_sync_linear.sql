-- Up Migration

-- The slots of a report, which the planner takes for many: with the few that it takes an array of unknown
-- length for, each slot of the index is compared with each of the report. Not in SQL, or it would be inlined.
create function slot_reports(reports slot_report[]) returns setof slot_report
language plpgsql stable rows 1000 as $$
begin
  return query select * from unnest(reports);
end
$$;

-- As migration 0012 has it, in time that grows with the slots and not with their square, and: a database whose
-- claim is taken back may still run where it ran before, so that host is heard again.
create or replace function host_sync(the_host text, the_url text, the_boot bigint, the_version bigint, is_local boolean, capacity jsonb, slots jsonb) returns boolean
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
$$;

-- Down Migration

create or replace function host_sync(the_host text, the_url text, the_boot bigint, the_version bigint, is_local boolean, capacity jsonb, slots jsonb) returns boolean
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

drop function slot_reports;
