-- Up Migration

-- Every event of hot Postgres, exactly once. `source` is the host, or `hot:<generation>` for what
-- happened to a row there: a hot database made anew numbers its own events from the start, while
-- hosts ship what they did to the old one again, under the same names.
create table event (
  id bigint generated always as identity primary key,
  source text not null,
  boot bigint not null,
  seq bigint not null,
  -- The hot database that it came through.
  generation uuid not null,
  kind text not null,
  at_ms bigint not null,
  database_id text,
  directory text,
  tenant text,
  epoch bigint,
  size text,
  reason text,
  taken_at timestamptz not null default now(),
  unique (source, boot, seq)
);
create index event_database on event (database_id, id);
create index event_kind on event (kind, id);
comment on table event is 'Ids come in the order of their commits: one relay at a time, under a lock.';

-- How far the relay is, per hot database; written in the transaction that takes the events.
create table event_cursor (
  generation uuid primary key,
  -- The highest hot id taken; for people and gauges, nothing is skipped by it.
  hot_id bigint not null,
  events bigint not null,
  first_at timestamptz not null default now(),
  -- When the hot table was last seen without an event that is not here.
  drained_at timestamptz,
  updated_at timestamptz not null default now()
);

-- The cold plane's own list of databases, folded from the events.
create table database (
  id text primary key,
  tenant text not null,
  size text not null,
  state text not null check (state in ('live', 'deleted', 'undone', 'purged')),
  directory text,
  created_ms bigint not null,
  deleted_ms bigint,
  -- The event that said so.
  event_id bigint not null
);
create index database_live on database (id) where state = 'live';

-- How far each reader of `event` is.
create table dispatch_cursor (
  name text primary key,
  event_id bigint not null,
  updated_at timestamptz not null default now()
);

grant select, insert on event to pilotlight_worker;
grant select, insert, update on event_cursor, database, dispatch_cursor to pilotlight_worker;

-- Down Migration

drop table dispatch_cursor, database, event_cursor, event;
