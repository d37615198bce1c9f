-- Up Migration
-- Who wanted it, and by which request: for whoever looks for the reason of a wake, or follows one request.
alter table event add column cause jsonb, add column request_id text;

-- Down Migration

alter table event drop column cause, drop column request_id;
