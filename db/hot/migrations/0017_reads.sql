-- Up Migration

-- Reads are functions of the schema as the transitions are, so that one place says what a database is with its
-- assignment.
create type database_now as (
  id text, tenant text, size text, state text, epoch bigint, directory text, last_host text,
  failures integer, broken_reason text, retry_at timestamptz, identity jsonb, identity_version bigint,
  created_at timestamptz, deleted_at timestamptz,
  host text, assigned_size text, slot integer, assigned_epoch bigint, socket text, port integer
);

create function database_find(the_id text) returns setof database_now
language plpgsql stable rows 1 as $$
begin
  return query
  select d.id, d.tenant, d.size, d.state, d.epoch, d.directory, d.last_host,
         d.failures, d.broken_reason, d.retry_at, d.identity, d.identity_version,
         d.created_at, d.deleted_at,
         a.host_id, a.size, a.slot, a.epoch, a.socket, a.port
    from database d left join assignment a on a.database_id = d.id
   where d.id = the_id;
end
$$;

-- In id order, a page at a time from a key, never by offset. Those of some tenants are read from each
-- tenant's own part of the index, so that a page never costs a walk over the others'.
create function database_list(
  from_id text, the_state text, the_labels jsonb, page integer, tenants text[]
) returns setof database_now
language plpgsql stable as $$
begin
  if tenants is null then
    return query
    select f.* from (
      select d.id from database d
       where d.id > from_id
         and (the_state is null or d.state = the_state)
         and (the_labels is null or d.identity -> 'labels' @> the_labels)
       order by d.id limit page) d
     cross join lateral database_find(d.id) f
     order by d.id;
  else
    return query
    select f.* from (
      select d.id from unnest(tenants) t(name) cross join lateral (
        select d.id from database d
         where d.tenant = t.name and d.id > from_id
           and (the_state is null or d.state = the_state)
           and (the_labels is null or d.identity -> 'labels' @> the_labels)
         order by d.id limit page) d
       order by d.id limit page) d
     cross join lateral database_find(d.id) f
     order by d.id;
  end if;
end
$$;

-- Down Migration

drop function database_list(text, text, jsonb, integer, text[]);
drop function database_find(text);
drop type database_now;
