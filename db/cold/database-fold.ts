/**
 * The cold plane's list of databases, from events in the order of their ids. What happens to a row
 * of hot Postgres comes in the order in which it happened, so the last word on a database counts.
 */
import type { TakenEvent } from './event-take.ts';
import type { Run } from './pool.ts';

const rows = {
  name: 'database-fold',
  text: `
with e as (
  select * from jsonb_to_recordset($1::jsonb) as e(
    id bigint, kind text, at_ms bigint, database_id text, tenant text, size text)
   where e.kind in ('database_created', 'database_changed', 'database_deleted',
                    'database_undeleted', 'database_create_undone')
     and e.database_id is not null and e.tenant is not null and e.size is not null
), last as (
  select distinct on (database_id) * from e order by database_id, id desc
), first as (
  select database_id, min(at_ms) as at_ms from e group by database_id
)
insert into database (id, tenant, size, state, created_ms, deleted_ms, event_id)
select l.database_id, l.tenant, l.size,
       case l.kind when 'database_deleted' then 'deleted'
                   when 'database_create_undone' then 'undone' else 'live' end,
       f.at_ms, case when l.kind = 'database_deleted' then l.at_ms end, l.id
  from last l join first f using (database_id)
 order by l.database_id
on conflict (id) do update
  set tenant = excluded.tenant, size = excluded.size, event_id = excluded.event_id,
      -- The data are gone: nothing brings it back.
      state = case when database.state = 'purged' then 'purged' else excluded.state end,
      -- A second tombstone does not make it younger.
      deleted_ms = case when excluded.deleted_ms is null then null
                        else coalesce(database.deleted_ms, excluded.deleted_ms) end`,
};

const directories = {
  name: 'database-fold-directory',
  text: `
update database d set directory = e.directory
  from (select distinct on (database_id) database_id, directory
          from jsonb_to_recordset($1::jsonb) as e(id bigint, database_id text, directory text)
         where database_id is not null and directory is not null
         order by database_id, id desc) e
 where d.id = e.database_id and d.directory is distinct from e.directory`,
};

/** @param events new ones, of any kind. */
export async function databaseFold(run: Run, events: readonly TakenEvent[]): Promise<void> {
  const json = JSON.stringify(events);
  await run(rows, [json]);
  await run(directories, [json]);
}
