-- Up Migration

-- The pool table and what belongs to it: current state only, never history. The volume and the host
-- agents are the authority (design: truth); this index makes a claim O(1) and fair.

create table generation (
  one_row boolean primary key default true check (one_row),
  id uuid not null default gen_random_uuid()
);
comment on table generation is 'Names this hot database: agents ship their events again when it changes.';
insert into generation default values;

create table tenant (
  name text primary key,
  created_at timestamptz not null default now()
);

create table host (
  host_id text primary key,
  url text not null,
  -- The newest report that was taken; an older or equal one is dropped whole.
  boot bigint not null,
  version bigint not null,
  cordoned boolean not null default false
) with (fillfactor = 50);

-- Hosts of which the index knows less than it should: their next sync is taken even if its version
-- is not newer. Rows are only inserted, so that asking never waits for a sync in progress.
create table resync (
  host_id text not null
);

create table database (
  id text primary key,
  tenant text not null references tenant,
  size text not null,
  state text not null
    check (state in ('suspended', 'starting', 'running', 'suspending', 'broken', 'deleting')),
  epoch bigint not null,
  directory text,
  -- Where it ran last, and the newest (boot, version) of that host that spoke about it.
  last_host text,
  said_boot bigint not null default 0,
  said_version bigint not null default -1,
  -- Failed wakes in a row, and of a broken one why and when a connect may try again.
  failures integer not null default 0,
  broken_reason text,
  retry_at timestamptz,
  -- The identity document as last seen; the volume holds the true one.
  identity jsonb not null,
  identity_version bigint not null,
  created_at timestamptz not null default now(),
  deleted_at timestamptz
) with (fillfactor = 70);
create index database_tenant on database (tenant, id);

-- Vacant, warm and assigned slots lie in narrow tables of their own, so that the head of the index
-- that a claim reads stays small. The primary keys are the only indexes.
create table slot_vacant (
  size text not null,
  host_id text not null,
  slot integer not null,
  primary key (size, host_id, slot)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create table slot_warm (
  size text not null,
  host_id text not null,
  slot integer not null,
  directory text not null,
  primary key (size, host_id, slot)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create table assignment (
  database_id text primary key,
  host_id text not null,
  size text not null,
  slot integer not null,
  epoch bigint not null,
  -- The agent's answer that made it running; null while it is being made.
  boot bigint,
  version bigint,
  socket text,
  port integer,
  -- Of a transition: when the sweep takes it back.
  deadline timestamptz,
  unique (host_id, size, slot)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- Facts for meter and audit on their way to the cold plane. Bounded by the api.
create table event (
  id bigint generated always as identity primary key,
  host_id text not null,
  boot bigint not null,
  seq bigint not null,
  kind text not null,
  at timestamptz not null,
  database_id text,
  directory text,
  tenant text,
  epoch bigint,
  size text,
  reason text,
  unique (host_id, boot, seq)
);
-- What happens to a row is an event of the row's own transaction, numbered here, under the host
-- name 'hot' and boot 0.
create sequence event_hot_seq;

do $$
begin
  if not exists (select from pg_roles where rolname = 'pilotlight_api') then
    create role pilotlight_api login;
  end if;
exception when duplicate_object or unique_violation then null;
end
$$;
grant select on generation to pilotlight_api;
grant select, insert, update, delete on tenant, host, resync, database, slot_vacant, slot_warm, assignment to pilotlight_api;
grant select, insert on event to pilotlight_api;
grant usage on sequence event_hot_seq to pilotlight_api;

-- Down Migration

drop table event, assignment, slot_warm, slot_vacant, database, resync, host, tenant, generation;
drop sequence event_hot_seq;
