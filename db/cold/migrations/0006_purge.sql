-- Up Migration

-- The proof that a deleted database's data are gone, as the agent that removed them counted them.
create table purge (
  database_id text primary key,
  host_id text not null,
  directory text not null,
  files bigint not null,
  bytes bigint not null,
  purged_at timestamptz not null default now()
);

grant select, insert on purge to pilotlight_worker;

-- Down Migration

drop table purge;
