-- Up Migration

-- A run of a cold operation over many databases (a migration, a rotation), and a row for each of
-- them. Workflows hold counts; what became of which database is here.
create table run (
  run_id text primary key,
  -- The workflow's type.
  verb text not null,
  -- What the run was started with, checksums included; never a secret.
  spec jsonb not null,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  outcome text
);

create table run_item (
  run_id text not null references run on delete cascade,
  item_id text not null,
  state text not null default 'waiting'
    check (state in ('waiting', 'working', 'done', 'failed', 'skipped')),
  -- How often it was claimed. What a claim writes later counts only with the same number.
  attempt integer not null default 0,
  -- Who works on it: the same claimer gets it again after a crash.
  claimed_by text,
  -- Of a waiting one: not to be claimed before.
  not_before timestamptz,
  -- The code of the last failure, and a sentence about it.
  error text,
  detail text,
  -- What came of it: small facts, never a secret.
  result jsonb,
  updated_at timestamptz not null default now(),
  primary key (run_id, item_id)
) with (fillfactor = 70);
create index run_item_state on run_item (run_id, state, item_id);

-- One cold operation at a time on a database. A hold that was not renewed in time is anyone's.
create table hold (
  database_id text primary key,
  owner text not null,
  kind text not null,
  until timestamptz not null
) with (fillfactor = 50);
create index hold_owner on hold (owner);

grant select, insert, update, delete on run, run_item, hold to pilotlight_worker;

-- Down Migration

drop table hold, run_item, run;
