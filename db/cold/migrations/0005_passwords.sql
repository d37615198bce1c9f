-- Up Migration

create table rotation (
  rotation text primary key,
  role text not null,
  phase text not null check (phase in ('adding', 'grace', 'revoking', 'done', 'aborted')),
  started_at timestamptz not null default now(),
  -- When the old passwords stop working.
  revoke_at timestamptz,
  ended_at timestamptz
);

-- A new password, sealed to the console's key (lib/sealed-box.ts): whoever reads this database has
-- nothing. Opened once, then emptied; who opened it and when stays.
create table sealed_password (
  rotation text not null,
  database_id text not null,
  role text not null,
  sealed text,
  sealed_at timestamptz not null default now(),
  opened_at timestamptz,
  primary key (rotation, database_id)
);

-- The console is a process of its own, with a role of its own.
do $$
begin
  if not exists (select from pg_roles where rolname = 'pilotlight_console') then
    create role pilotlight_console login connection limit 8;
  end if;
exception when duplicate_object or unique_violation then null;
end
$$;

grant select, insert, update on rotation to pilotlight_worker;
-- Workers put passwords in and never look at one again: no select on `sealed`.
grant select (rotation, database_id, role, sealed_at, opened_at) on sealed_password to pilotlight_worker;
grant insert, update on sealed_password to pilotlight_worker;
grant select on sealed_password to pilotlight_console;
grant update (sealed, opened_at) on sealed_password to pilotlight_console;

-- Down Migration

drop table sealed_password, rotation;
