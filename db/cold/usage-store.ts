/** The rows that the fold of usage (model/cold/usage.ts) reads and writes. */
import type { UsageInterval, UsageNeeded } from '../../model/cold/usage.ts';
import type { Run } from './pool.ts';

const load = {
  name: 'usage-load',
  text: `
select u.database_id, u.epoch, u.tenant, u.size, u.started_ms, u.stopped_ms, u.next_ms, u.ended_ms,
       u.inferred
  from jsonb_to_recordset($1::jsonb) as n(database_id text, epoch bigint, started_ms bigint)
  join usage_interval u on u.database_id = n.database_id
   and (u.epoch >= n.epoch or u.next_ms is null or u.next_ms > n.started_ms)`,
};

export async function usageLoad(
  run: Run,
  needed: readonly UsageNeeded[],
): Promise<UsageInterval[]> {
  return run<UsageInterval>(load, [JSON.stringify(needed)]);
}

const save = {
  name: 'usage-save',
  text: `
insert into usage_interval (database_id, epoch, tenant, size, started_ms, stopped_ms, next_ms,
                            ended_ms, inferred)
select * from jsonb_to_recordset($1::jsonb) as u(
  database_id text, epoch bigint, tenant text, size text, started_ms bigint, stopped_ms bigint,
  next_ms bigint, ended_ms bigint, inferred boolean)
on conflict (database_id, epoch) do update
  set tenant = excluded.tenant, size = excluded.size, started_ms = excluded.started_ms,
      stopped_ms = excluded.stopped_ms, next_ms = excluded.next_ms, ended_ms = excluded.ended_ms,
      inferred = excluded.inferred, dirty = true`,
};

/** @param intervals whole, as the fold made them: ordered by database and epoch. */
export async function usageSave(run: Run, intervals: readonly UsageInterval[]): Promise<void> {
  await run(save, [JSON.stringify(intervals)]);
}
