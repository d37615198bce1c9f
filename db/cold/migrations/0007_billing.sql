-- Up Migration

-- One run of a database, from its events. started, stopped and next only ever become earlier, so
-- that neither order nor repetition of events matters (model/cold/usage.ts). All in milliseconds.
create table usage_interval (
  database_id text not null,
  epoch bigint not null,
  tenant text,
  size text not null,
  -- Null: its start has not been heard of (yet), and nothing is charged.
  started_ms bigint,
  -- What its own suspended, crashed or released event says.
  stopped_ms bigint,
  -- The earliest start of a later epoch: it can not have lasted longer than that.
  next_ms bigint,
  ended_ms bigint,
  -- Its end is taken from the next epoch's start, its own was lost.
  inferred boolean not null default false,
  -- Changed since it was rolled up last.
  dirty boolean not null default true,
  primary key (database_id, epoch)
);
create index usage_interval_end on usage_interval (coalesce(ended_ms, 9223372036854775807));
create index usage_interval_dirty on usage_interval (database_id, epoch) where dirty;

-- Hours that are in the ledger: usage in an hour counts up to `upto_ms`, which only rises. A rollup
-- raises it before its first page, and `complete_ms` after its last.
create table ledger_hour (
  hour_ms bigint primary key check (hour_ms % 3600000 = 0),
  upto_ms bigint not null,
  complete_ms bigint not null,
  rolled_at timestamptz not null default now(),
  check (complete_ms between hour_ms and upto_ms and upto_ms <= hour_ms + 3600000)
);

-- What one run used in one hour. Rewritten whenever more is known.
create table ledger_line (
  database_id text not null,
  epoch bigint not null,
  hour_ms bigint not null references ledger_hour,
  tenant text not null,
  size text not null,
  ms bigint not null check (ms > 0 and ms <= 3600000),
  primary key (database_id, epoch, hour_ms)
);
create index ledger_line_tenant on ledger_line (tenant, hour_ms);

-- The price plan: millionths of a currency unit per hour, from this month on. Rows are added, never
-- changed: an adjustment of a closed month is charged at that month's price.
create table price (
  size text not null,
  from_month text not null check (from_month ~ '^\d{4}-\d{2}$'),
  micro_per_hour bigint not null check (micro_per_hour between 0 and 1000000000),
  primary key (size, from_month)
);
insert into price values ('small', '1970-01', 16000), ('medium', '1970-01', 64000);

-- Months that are being closed or are closed. From `closing_at` on, a change of the month's lines
-- is late, and goes to the tenant's next invoice.
create table billing_month (
  month text primary key check (month ~ '^\d{4}-\d{2}$'),
  from_ms bigint not null,
  to_ms bigint not null,
  closing_at timestamptz not null default now(),
  closed_at timestamptz
);
create table ledger_late (
  tenant text not null,
  month text not null references billing_month,
  at timestamptz not null default now(),
  primary key (tenant, month)
);

create table invoice (
  tenant text not null,
  month text not null,
  state text not null check (state in ('draft', 'issued')),
  -- The invoice as it is handed out, byte for byte.
  body text not null,
  sha256 text not null,
  total_micro bigint not null,
  written_at timestamptz not null default now(),
  primary key (tenant, month)
);
create function invoice_stays() returns trigger language plpgsql as $$
begin
  raise exception 'an issued invoice does not change' using errcode = 'integrity_constraint_violation';
end
$$;
create trigger invoice_stays before update or delete on invoice
  for each row when (old.state = 'issued') execute function invoice_stays();

-- The lines of issued invoices: what has been charged already, for which month.
create table invoice_line (
  tenant text not null,
  month text not null,
  for_month text not null,
  database_id text not null,
  size text not null,
  ms bigint not null,
  micro_per_hour bigint not null,
  amount_micro bigint not null,
  primary key (tenant, month, for_month, database_id, size),
  foreign key (tenant, month) references invoice
);

grant select, insert, update on usage_interval, ledger_hour, billing_month to pilotlight_worker;
grant select, insert, update, delete on ledger_line, ledger_late to pilotlight_worker;
grant select on price to pilotlight_worker;
grant select, insert, update on invoice to pilotlight_worker;
grant select, insert on invoice_line to pilotlight_worker;
grant select on invoice to pilotlight_console;

-- Down Migration

drop table invoice_line, invoice, ledger_late, billing_month, price, ledger_line, ledger_hour, usage_interval;
drop function invoice_stays;
