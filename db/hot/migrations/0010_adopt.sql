-- Up Migration

-- The row of a database that was made while this index was away, or before it was made anew, out of its
-- identity document. What runs of it the next report of its host says; its epoch the volume knows.
create function database_adopt(doc jsonb, the_host text) returns boolean
language plpgsql as $$
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
  values ('hot', 0, nextval('event_hot_seq'), 'database_created', (doc ->> 'created_at')::timestamptz,
          doc ->> 'id', doc ->> 'tenant', 1, doc ->> 'size');
  return true;
end
$$;

-- Down Migration

drop function database_adopt;
