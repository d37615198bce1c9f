-- Up Migration

-- The cold plane's own server: ledger, invoices, runs, findings, audit chain. Their tables come with
-- the workflows that write them; the role of those workers is here from the start.
do $$
begin
  if not exists (select from pg_roles where rolname = 'pilotlight_worker') then
    create role pilotlight_worker login;
  end if;
exception when duplicate_object or unique_violation then null;
end
$$;

-- Down Migration

drop role if exists pilotlight_worker;
