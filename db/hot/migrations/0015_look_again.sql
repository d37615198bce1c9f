-- Up Migration

-- A statement sees assignments as of its own beginning, also where it has waited for the database's row and
-- sees that as it is now. Whoever held the row may have been a report that made the assignment meanwhile, and
-- that stayed behind: a delete, which takes a row in any state, locks it first.
--
-- Otherwise as migration 0014 has it. Answers where it was assigned; whom to hear again every sweep of an api
-- reads in the table.
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
