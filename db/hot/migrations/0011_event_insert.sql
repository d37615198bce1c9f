-- Up Migration

-- A host's events, in the order of its journal. What is held already is held once: (host, boot, seq) is
-- unique. Beyond `most` rows nothing is taken, and so nothing is acknowledged.
create function event_insert(events jsonb, most bigint) returns boolean
language plpgsql as $$
begin
  if (select coalesce(max(id), 0) - coalesce(min(id), 0) >= most from event) then
    return false;
  end if;
  insert into event (host_id, boot, seq, kind, at, database_id, directory, tenant, epoch, size, reason,
    cause, request_id)
  select e.host, e.boot, e.seq, e.kind, e.at, e.database, e.directory, d.tenant, e.epoch, e.size, e.reason,
         e.cause, e.request_id
    from jsonb_to_recordset(events) as e(
      host text, boot bigint, seq bigint, kind text, at timestamptz, database text, directory text,
      epoch bigint, size text, reason text, cause jsonb, request_id text)
    left join database d on d.id = e.database
  on conflict (host_id, boot, seq) do nothing;
  return true;
end
$$;

-- Down Migration

drop function event_insert;
