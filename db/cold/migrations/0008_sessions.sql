-- Up Migration

-- Who wanted it, and summaries of sessions.
alter table event add column cause jsonb, add column sessions jsonb;

-- Down Migration

alter table event drop column cause, drop column sessions;
