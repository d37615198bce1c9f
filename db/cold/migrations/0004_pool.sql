-- Up Migration

-- How many warm slots each host is to keep, per size. Operators change it here.
create table pool_target (
  size text primary key,
  warm_per_host integer not null check (warm_per_host between 0 and 1000),
  updated_at timestamptz not null default now()
);
insert into pool_target (size, warm_per_host) values ('small', 2);

grant select, insert, update on pool_target to pilotlight_worker;

-- Down Migration

drop table pool_target;
