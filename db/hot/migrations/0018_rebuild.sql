-- Up Migration

-- What makes this database whole again out of the documents and run records of the volumes
-- (dev/rebuild.ts), a page of them at a time. Each statement may be repeated, and takes nothing back
-- that has become known meanwhile.

-- limits: what the tenant's differ from the defaults by; host, epoch, released: the run record's.
create function rebuild_items(page jsonb) returns table (
  id text, tenant text, version bigint, created_at timestamptz, deleted_at timestamptz, doc jsonb,
  limits jsonb, host text, epoch bigint, released boolean, purged boolean
)
language sql stable as $$
  select p.doc ->> 'id', p.doc ->> 'tenant', (p.doc ->> 'version')::bigint,
         (p.doc ->> 'created_at')::timestamptz, (p.doc ->> 'deleted_at')::timestamptz, p.doc,
         p.limits, p.host, p.epoch, p.released, p.purged
    from jsonb_to_recordset(page) as p(
      doc jsonb, limits jsonb, host text, epoch bigint, released boolean, purged boolean)
$$;

-- Whether the volume has minted further than a row in this state knows. A start under way learns it
-- from its agent; one whose deadline is over is none.
create function rebuild_outrun(state text, known bigint, deadline timestamptz, minted bigint)
returns boolean language sql stable as $$
  select known < minted and (state <> 'starting' or deadline < now())
$$;

-- Databases of which the index knows less than the volume, each for a moment or since long ago.
create function rebuild_behind(page jsonb) returns setof text
language plpgsql stable as $$
begin
  return query
  select p.id
    from rebuild_items(page) p
    left join database d on d.id = p.id
    left join assignment a on a.database_id = p.id
   where d.id is null or d.identity_version < p.version
      or rebuild_outrun(d.state, d.epoch, a.deadline, p.epoch);
end
$$;

-- Rows without a document, of the range that a page was of; ids sort as the volume's, which are lower-case
-- base32. A database that is being made may be one for a moment. `made`: it has a directory.
create function rebuild_strangers(after text, upto text, ids text[])
returns table (id text, made boolean)
language plpgsql stable as $$
begin
  return query
  select d.id, d.directory is not null
    from database d
   where d.id > after and (upto is null or d.id <= upto) and d.id <> all (ids)
     and d.state <> 'starting'
   order by d.id;
end
$$;

-- Takes a page. New rows sleep, as of the epoch that was minted last: what runs the next report of its host
-- says. What is known takes the greater version, the tombstone with it, and the greater epoch; an
-- assignment of a run that is over goes, and who held it is heard again.
create function rebuild_page(page jsonb) returns table (made bigint, newer bigint, raised bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  news text[];
  newer_rows bigint;
  raised_rows bigint;
begin
  insert into tenant (name)
  select distinct p.tenant from rebuild_items(page) p order by 1
  on conflict do nothing;

  with n as (
    insert into database (id, tenant, size, state, epoch, directory, last_host, identity,
                          identity_version, created_at, deleted_at)
    select p.id, p.tenant, p.doc ->> 'size',
           case when p.deleted_at is null then 'suspended' else 'deleting' end,
           greatest(p.epoch, 1), p.doc ->> 'directory', p.host, p.doc, p.version, p.created_at,
           p.deleted_at
      from rebuild_items(page) p
     order by p.id
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(n.id), '{}') into news from n;

  -- The cold plane keeps a list of its own by these. Of what has been purged it needs none.
  insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
  select 'hot', 0, nextval('event_hot_seq'), k.kind, k.at, p.id, p.tenant, greatest(p.epoch, 1),
         p.doc ->> 'size'
    from rebuild_items(page) p
   cross join lateral (values (1, 'database_created', p.created_at),
                              (2, 'database_deleted', p.deleted_at)) k(n, kind, at)
   where p.id = any (news) and not p.purged and k.at is not null
   order by p.id, k.n;

  perform from database d
    where d.id in (select p.id from rebuild_items(page) p) order by d.id for update;

  select count(*) into newer_rows
    from rebuild_items(page) p join database d on d.id = p.id
   where d.identity_version < p.version;
  perform from rebuild_items(page) p cross join lateral database_identity(p.doc);

  with o as materialized (
    select d.id, d.epoch as known, p.epoch as minted, p.host
      from rebuild_items(page) p
      join database d on d.id = p.id
      left join assignment a on a.database_id = p.id
     where rebuild_outrun(d.state, d.epoch, a.deadline, p.epoch)
        or d.state in ('running', 'suspending') and d.epoch = p.epoch and p.released
  ), u as (
    update database d
       set epoch = o.minted, last_host = o.host, said_boot = 0, said_version = -1,
           state = case when d.state in ('starting', 'running', 'suspending') then 'suspended'
                        else d.state end
      from o
     where d.id = o.id
  ), g as (
    delete from assignment a using o where a.database_id = o.id returning a.host_id
  ), r as (
    insert into resync select g.host_id from g union select o.host from o
  )
  select count(*) filter (where o.known < o.minted) into raised_rows from o;

  -- A document says what its tenant's limits were when it was made. The newest one counts, where the
  -- index did not know it, or knows no limits of that tenant.
  update tenant t
     set limits = n.limits
    from (select distinct on (p.tenant) p.* from rebuild_items(page) p
           order by p.tenant, p.created_at desc) n
   where t.name = n.tenant and t.limits <> n.limits
     and (n.id = any (news) or t.limits = '{}')
     and not exists (
       select from database d where d.tenant = n.tenant and d.created_at > n.created_at);

  return query select cardinality(news)::bigint, newer_rows, raised_rows;
end
$$;

-- As migration 0010 has it, and: of one that is deleted it says so as well, or the cold plane would take it
-- for alive.
create or replace function database_adopt(doc jsonb, the_host text) returns boolean
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
  select 'hot', 0, nextval('event_hot_seq'), k.kind, k.at, doc ->> 'id', doc ->> 'tenant', 1,
         doc ->> 'size'
    from (values (1, 'database_created', (doc ->> 'created_at')::timestamptz),
                 (2, 'database_deleted', (doc ->> 'deleted_at')::timestamptz)) k(n, kind, at)
   where k.at is not null
   order by k.n;
  return true;
end
$$;

-- Down Migration

create or replace function database_adopt(doc jsonb, the_host text) returns boolean
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

drop function rebuild_page(jsonb);
drop function rebuild_strangers(text, text, text[]);
drop function rebuild_behind(jsonb);
drop function rebuild_outrun(text, bigint, timestamptz, bigint);
drop function rebuild_items(jsonb);
