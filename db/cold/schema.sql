-- Generated from the migrations by dev/generate/schema.ts; not run by anything.

create table billing_month (
  month text not null,
  from_ms bigint not null,
  to_ms bigint not null,
  closing_at timestamp with time zone not null default now(),
  closed_at timestamp with time zone,
  PRIMARY KEY (month),
  CHECK ((month ~ '^\d{4}-\d{2}$'::text))
);

create table database (
  id text not null,
  tenant text not null,
  size text not null,
  state text not null,
  directory text,
  created_ms bigint not null,
  deleted_ms bigint,
  event_id bigint not null,
  PRIMARY KEY (id),
  CHECK ((state = ANY (ARRAY['live'::text, 'deleted'::text, 'undone'::text, 'purged'::text])))
);

create table dispatch_cursor (
  name text not null,
  event_id bigint not null,
  updated_at timestamp with time zone not null default now(),
  PRIMARY KEY (name)
);

create table event (
  id bigint not null generated always as identity,
  source text not null,
  boot bigint not null,
  seq bigint not null,
  generation uuid not null,
  kind text not null,
  at_ms bigint not null,
  database_id text,
  directory text,
  tenant text,
  epoch bigint,
  size text,
  reason text,
  taken_at timestamp with time zone not null default now(),
  cause jsonb,
  sessions jsonb,
  UNIQUE (source, boot, seq),
  PRIMARY KEY (id)
);

create table event_cursor (
  generation uuid not null,
  hot_id bigint not null,
  events bigint not null,
  first_at timestamp with time zone not null default now(),
  drained_at timestamp with time zone,
  updated_at timestamp with time zone not null default now(),
  PRIMARY KEY (generation)
);

create table hold (
  database_id text not null,
  owner text not null,
  kind text not null,
  until timestamp with time zone not null,
  PRIMARY KEY (database_id)
) with (fillfactor=50);

create table invoice (
  tenant text not null,
  month text not null,
  state text not null,
  body text not null,
  sha256 text not null,
  total_micro bigint not null,
  written_at timestamp with time zone not null default now(),
  PRIMARY KEY (tenant, month),
  CHECK ((state = ANY (ARRAY['draft'::text, 'issued'::text])))
);

create table invoice_line (
  tenant text not null,
  month text not null,
  for_month text not null,
  database_id text not null,
  size text not null,
  ms bigint not null,
  micro_per_hour bigint not null,
  amount_micro bigint not null,
  PRIMARY KEY (tenant, month, for_month, database_id, size),
  FOREIGN KEY (tenant, month) REFERENCES invoice(tenant, month)
);

create table ledger_hour (
  hour_ms bigint not null,
  upto_ms bigint not null,
  complete_ms bigint not null,
  rolled_at timestamp with time zone not null default now(),
  PRIMARY KEY (hour_ms),
  CHECK ((((complete_ms >= hour_ms) AND (complete_ms <= upto_ms)) AND (upto_ms <= (hour_ms + 3600000)))),
  CHECK (((hour_ms % (3600000)::bigint) = 0))
);

create table ledger_late (
  tenant text not null,
  month text not null,
  at timestamp with time zone not null default now(),
  PRIMARY KEY (tenant, month),
  FOREIGN KEY (month) REFERENCES billing_month(month)
);

create table ledger_line (
  database_id text not null,
  epoch bigint not null,
  hour_ms bigint not null,
  tenant text not null,
  size text not null,
  ms bigint not null,
  PRIMARY KEY (database_id, epoch, hour_ms),
  FOREIGN KEY (hour_ms) REFERENCES ledger_hour(hour_ms),
  CHECK (((ms > 0) AND (ms <= 3600000)))
);

create table pool_target (
  size text not null,
  warm_per_host integer not null,
  updated_at timestamp with time zone not null default now(),
  PRIMARY KEY (size),
  CHECK (((warm_per_host >= 0) AND (warm_per_host <= 1000)))
);

create table price (
  size text not null,
  from_month text not null,
  micro_per_hour bigint not null,
  PRIMARY KEY (size, from_month),
  CHECK ((from_month ~ '^\d{4}-\d{2}$'::text)),
  CHECK (((micro_per_hour >= 0) AND (micro_per_hour <= 1000000000)))
);

create table purge (
  database_id text not null,
  host_id text not null,
  directory text not null,
  files bigint not null,
  bytes bigint not null,
  purged_at timestamp with time zone not null default now(),
  PRIMARY KEY (database_id)
);

create table rotation (
  rotation text not null,
  role text not null,
  phase text not null,
  started_at timestamp with time zone not null default now(),
  revoke_at timestamp with time zone,
  ended_at timestamp with time zone,
  PRIMARY KEY (rotation),
  CHECK ((phase = ANY (ARRAY['adding'::text, 'grace'::text, 'revoking'::text, 'done'::text, 'aborted'::text])))
);

create table run (
  run_id text not null,
  verb text not null,
  spec jsonb not null,
  created_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  outcome text,
  PRIMARY KEY (run_id)
);

create table run_item (
  run_id text not null,
  item_id text not null,
  state text not null default 'waiting'::text,
  attempt integer not null default 0,
  claimed_by text,
  not_before timestamp with time zone,
  error text,
  detail text,
  result jsonb,
  updated_at timestamp with time zone not null default now(),
  PRIMARY KEY (run_id, item_id),
  FOREIGN KEY (run_id) REFERENCES run(run_id) ON DELETE CASCADE,
  CHECK ((state = ANY (ARRAY['waiting'::text, 'working'::text, 'done'::text, 'failed'::text, 'skipped'::text])))
) with (fillfactor=70);

create table sealed_password (
  rotation text not null,
  database_id text not null,
  role text not null,
  sealed text,
  sealed_at timestamp with time zone not null default now(),
  opened_at timestamp with time zone,
  PRIMARY KEY (rotation, database_id)
);

create table usage_interval (
  database_id text not null,
  epoch bigint not null,
  tenant text,
  size text not null,
  started_ms bigint,
  stopped_ms bigint,
  next_ms bigint,
  ended_ms bigint,
  inferred boolean not null default false,
  dirty boolean not null default true,
  PRIMARY KEY (database_id, epoch)
);

CREATE INDEX database_live ON public.database USING btree (id) WHERE (state = 'live'::text);

CREATE INDEX event_database ON public.event USING btree (database_id, id);

CREATE INDEX event_kind ON public.event USING btree (kind, id);

CREATE INDEX hold_owner ON public.hold USING btree (owner);

CREATE INDEX ledger_line_tenant ON public.ledger_line USING btree (tenant, hour_ms);

CREATE INDEX run_item_state ON public.run_item USING btree (run_id, state, item_id);

CREATE INDEX usage_interval_dirty ON public.usage_interval USING btree (database_id, epoch) WHERE dirty;

CREATE INDEX usage_interval_end ON public.usage_interval USING btree (COALESCE(ended_ms, '9223372036854775807'::bigint));

CREATE OR REPLACE FUNCTION public.invoice_stays()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'an issued invoice does not change' using errcode = 'integrity_constraint_violation';
end
$function$
;

grant insert, select, update on billing_month to pilotlight_worker;

grant insert, select, update on database to pilotlight_worker;

grant insert, select, update on dispatch_cursor to pilotlight_worker;

grant insert, select on event to pilotlight_worker;

grant insert, select, update on event_cursor to pilotlight_worker;

grant delete, insert, select, update on hold to pilotlight_worker;

grant select on invoice to pilotlight_console;

grant insert, select, update on invoice to pilotlight_worker;

grant insert, select on invoice_line to pilotlight_worker;

grant insert, select, update on ledger_hour to pilotlight_worker;

grant delete, insert, select, update on ledger_late to pilotlight_worker;

grant delete, insert, select, update on ledger_line to pilotlight_worker;

grant insert, select, update on pool_target to pilotlight_worker;

grant select on price to pilotlight_worker;

grant insert, select on purge to pilotlight_worker;

grant insert, select, update on rotation to pilotlight_worker;

grant delete, insert, select, update on run to pilotlight_worker;

grant delete, insert, select, update on run_item to pilotlight_worker;

grant select on sealed_password to pilotlight_console;

grant insert, update on sealed_password to pilotlight_worker;

grant insert, select, update on usage_interval to pilotlight_worker;
