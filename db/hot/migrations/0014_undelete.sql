-- Up Migration

-- As migration 0013 has it, and: what was deleted may still run when that is taken back. Its host has said
-- so while the index did not want to hear it, and is heard again. Answers where it was assigned, or ran last.
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

-- Down Migration

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
    returning d.id, d.tenant, d.size, d.epoch, d.deleted_at, o.deleted_at as was_deleted_at
  ), a as (
    delete from assignment a using d where a.database_id = d.id and d.deleted_at is not null
    returning a.host_id, a.epoch
  ), h as (
    insert into resync select a.host_id from a
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
