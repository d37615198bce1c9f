-- Up Migration

-- Takes over what the identity document says, if it is newer than what is known; and the tombstone, also
-- when it was taken back. A tombstone ends the assignment: the next report of its host says what the slot
-- holds. Answers where a deleted database was assigned.
create function database_identity(doc jsonb) returns table (host text, epoch bigint)
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

-- Down Migration

drop function database_identity;
