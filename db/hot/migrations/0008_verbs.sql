-- Up Migration

-- The other statements of a start and a suspend, each of one database, fenced at the write by epoch and
-- state.

-- The agent answered the attach of this epoch: it runs there.
create function database_running(
  the_id text, the_epoch bigint, the_directory text, host text, the_boot bigint, the_version bigint,
  the_socket text, the_port integer
) returns table (id text)
language plpgsql as $$
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
$$;

-- Somebody wants this epoch to end. Answers where it runs, if it is the running one.
create function database_suspend(the_id text, the_epoch bigint, deadline_ms integer)
returns table (host text)
language plpgsql as $$
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
$$;

-- The agent ended this epoch, and the slot is vacant again; of a cordoned host it is not to be had.
create function database_suspended(
  the_id text, the_epoch bigint, the_boot bigint, the_version bigint
) returns void
language plpgsql as $$
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
$$;

-- A newer epoch on the same host: its address was found dead (stale_epoch), or a wake came while it was
-- being suspended. The slot stays with the database.
create function database_start_again(the_id text, stale_epoch bigint, deadline_ms integer)
returns table (tenant text, epoch bigint, size text, host text, slot integer, evicts boolean)
language plpgsql as $$
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
$$;

-- The attach of this epoch came to nothing: asleep again, or parked as `broken` after too many in a row
-- (counted is 1 if this one counts), to be tried again after the back-off of how many it were.
create function database_start_failed(
  the_id text, the_epoch bigint, counted integer, broken_after integer, reason text, backoff_ms bigint[]
) returns table (state text)
language plpgsql as $$
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
    returning b.id, b.state
  ), a as (
    delete from assignment x using d where x.database_id = d.id and x.epoch = the_epoch
    returning x.host_id
  ), h as (
    insert into resync select a.host_id from a
  )
  select d.state from d;
end
$$;

-- Takes back transitions that are past their deadline, of one page of assignments in the order of
-- databases. A row says where the next page begins ('' = at the beginning), whatever else it says.
create function assignment_sweep(after text, page_rows integer, late_max integer)
returns table (next text, database text, was text, host text)
language plpgsql as $$
begin
  return query
  with page as materialized (
    select a.database_id, a.host_id, a.deadline from assignment a
     where a.database_id > after order by a.database_id limit page_rows
  ), late as materialized (
    select d.id, d.state, p.host_id
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
    insert into resync select distinct late.host_id from late
  )
  select case when p.n = page_rows then p.last else '' end, late.id, late.state, late.host_id
    from (select count(*) as n, max(page.database_id) as last from page) p left join late on true;
end
$$;

-- The agent found this epoch busy, and it runs on.
create function database_kept(the_id text, the_epoch bigint) returns void
language plpgsql as $$
begin
  with d as (
    update database b set state = 'running'
     where b.id = the_id and b.epoch = the_epoch and b.state = 'suspending'
    returning b.id
  )
  update assignment a set deadline = null from d where a.database_id = d.id;
end
$$;

-- The volume has minted further than the index knew: the epoch after that one is asked for.
create function database_raise(the_id text, asked bigint, minted bigint) returns table (epoch bigint)
language plpgsql as $$
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
$$;

-- Another incarnation, of the epoch `held` on `holder`, runs or may run: the claim is undone and the index
-- goes to that epoch, which may be lower than the one asked for, since that has never been minted.
create function database_held(the_id text, asked bigint, holder text, held bigint) returns void
language plpgsql as $$
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
$$;

-- The agent made nothing: the row goes, and the next report of its host says what the slot holds.
create function database_create_undo(the_id text) returns void
language plpgsql as $$
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
$$;

-- A tenant by its name, or by a database of it; what has a slot is counted up to its limit.
create function tenant_find(the_id text, the_name text, running_max integer)
returns table (name text, limits jsonb, running bigint)
language plpgsql stable as $$
begin
  return query
  select t.name, t.limits,
         (select count(*)
            from (select from assignment a where a.tenant = t.name
                   limit coalesce((t.limits ->> 'running')::integer, running_max)) a)
    from tenant t
   where t.name = coalesce(the_name, (select d.tenant from database d where d.id = the_id));
end
$$;
revoke execute on function database_running, database_suspend, database_suspended, database_start_again,
  database_start_failed, assignment_sweep, database_kept, database_raise, database_held,
  database_create_undo, tenant_find from public;
grant execute on function database_running, database_suspend, database_suspended, database_start_again,
  database_start_failed, assignment_sweep, database_kept, database_raise, database_held,
  database_create_undo, tenant_find to pilotlight_api;

-- Down Migration

drop function database_running, database_suspend, database_suspended, database_start_again,
  database_start_failed, assignment_sweep, database_kept, database_raise, database_held,
  database_create_undo, tenant_find;
