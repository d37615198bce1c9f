-- Up Migration

-- Several at once (db/hot/gather.ts): `nr` is the place of a call in the arrays, from 1; what could not be
-- done here has no row, and is then done by itself. Rows are locked in id order and locked ones left
-- out, so that none of these waits for anything.

-- Claims a vacant slot for each: of the host that ran it last, else of the one given for it.
create function databases_start(ids text[], hosts text[], silent text[], deadline_ms integer)
returns table (
  nr bigint, tenant text, size text, epoch bigint, host text, slot integer, evicts boolean
)
language plpgsql as $$
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
$$;

create function databases_running(
  ids text[], epochs bigint[], directories text[], hosts text[], boots bigint[], versions bigint[],
  sockets text[], ports integer[]
) returns table (nr bigint)
language plpgsql as $$
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
$$;

create function databases_suspend(ids text[], epochs bigint[], deadlines_ms integer[])
returns table (nr bigint, host text)
language plpgsql as $$
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
$$;

create function databases_suspended(ids text[], epochs bigint[], boots bigint[], versions bigint[])
returns table (nr bigint)
language plpgsql as $$
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
$$;
revoke execute on function databases_start, databases_running, databases_suspend, databases_suspended
  from public;
grant execute on function databases_start, databases_running, databases_suspend, databases_suspended
  to pilotlight_api;

-- Down Migration

drop function databases_start, databases_running, databases_suspend, databases_suspended;
