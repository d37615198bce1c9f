-- Up Migration

-- A statement sees assignments as of its own beginning, also where it has waited for the database's row and
-- sees that as it is now. Whoever held the row may have been a report that made the assignment meanwhile. So
-- whoever takes the row locks it first, or does nothing where it sees no assignment, and its caller looks
-- again.

-- As migration 0014 has it, but for the lock: what a report had assigned meanwhile stayed behind. Answers where
-- it was assigned; whom to hear again every sweep of an api reads in the table.
create or replace function database_identity(doc jsonb) returns table (host text, epoch bigint)
language sql as $$
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
$$;

-- Begins nothing that no assignment carries, and no deadline would ever end.
create or replace function database_suspend(the_id text, the_epoch bigint, deadline_ms integer) returns table (host text)
language plpgsql as $$
begin
  return query
  with d as (
    update database b set state = 'suspending'
      from assignment x
     where b.id = the_id and b.epoch = the_epoch and b.state = 'running' and x.database_id = b.id
    returning b.id
  )
  update assignment a set deadline = now() + deadline_ms * interval '1 millisecond'
    from d where a.database_id = d.id
  returning a.host_id;
end
$$;

create or replace function databases_suspend(ids text[], epochs bigint[], deadlines_ms integer[]) returns table (nr bigint, host text)
language plpgsql as $$
begin
  return query
  with q as materialized (
    select * from unnest(ids, epochs, deadlines_ms) with ordinality u(id, epoch, ms, nr)
  ), l as materialized (
    select b.id from database b where b.id = any (ids) order by b.id for update skip locked
  ), d as (
    update database b set state = 'suspending'
      from l join q on q.id = l.id join assignment x on x.database_id = l.id
     where b.id = l.id and b.epoch = q.epoch and b.state = 'running'
    returning q.*
  )
  update assignment a set deadline = now() + d.ms * interval '1 millisecond'
    from d where a.database_id = d.id
  returning d.nr, a.host_id;
end
$$;

create or replace function database_start_again(the_id text, stale_epoch bigint, deadline_ms integer) returns table (tenant text, epoch bigint, size text, host text, slot integer, evicts boolean)
language plpgsql as $$
begin
  return query
  with e as (
    update database b set epoch = b.epoch + 1, state = 'starting'
      from assignment y
     where b.id = the_id and y.database_id = b.id
       and (b.state = 'suspending' or (b.state = 'running' and b.epoch = stale_epoch))
    returning b.id, b.tenant, b.epoch
  ), a as (
    update assignment x
       set epoch = e.epoch, boot = null, version = null, socket = null, port = null,
           deadline = now() + deadline_ms * interval '1 millisecond'
      from e
     where x.database_id = e.id
    returning x.database_id, x.host_id, x.size, x.slot
  )
  select e.tenant, e.epoch, a.size, a.host_id, a.slot, false
    from e join a on a.database_id = e.id;
end
$$;

-- What was to be started may still run where it ran before: the host that ran it last is heard again, as
-- the one that was to run it.
create or replace function database_start_failed(the_id text, the_epoch bigint, counted integer, broken_after integer, reason text, backoff_ms bigint[]) returns table (state text)
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
$$;

create or replace function assignment_sweep(after text, page_rows integer, late_max integer) returns table (next text, database text, was text, host text)
language plpgsql as $$
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
$$;

-- Nobody may know whether it runs on: its host is heard again, too.
create or replace function database_kept(the_id text, the_epoch bigint) returns void
language plpgsql as $$
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
$$;

-- Down Migration

create or replace function database_kept(the_id text, the_epoch bigint) returns void
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

create or replace function database_identity(doc jsonb) returns table (host text, epoch bigint)
language sql as $$
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
    select d.last_host as host_id, d.epoch from d
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
  select a.host_id, a.epoch from a union all select u.host_id, u.epoch from u
$$;

create or replace function database_start_failed(the_id text, the_epoch bigint, counted integer, broken_after integer, reason text, backoff_ms bigint[]) returns table (state text)
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

create or replace function assignment_sweep(after text, page_rows integer, late_max integer) returns table (next text, database text, was text, host text)
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

create or replace function database_suspend(the_id text, the_epoch bigint, deadline_ms integer) returns table (host text)
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

create or replace function databases_suspend(ids text[], epochs bigint[], deadlines_ms integer[]) returns table (nr bigint, host text)
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

create or replace function database_start_again(the_id text, stale_epoch bigint, deadline_ms integer) returns table (tenant text, epoch bigint, size text, host text, slot integer, evicts boolean)
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
