/**
 * The attach of this epoch came to nothing: asleep again, or parked as `broken` after too many in a
 * row. The slot is not given back here: what is in it the agent knows, so a resync
 * of its host is asked for.
 */
import { BROKEN_AFTER_FAILURES, BROKEN_BACKOFF_STEPS_MS } from '../../model/state.ts';
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-start-failed',
  text: `
with d as (
  update database
     set failures = failures + $3,
         state = case when failures + $3 >= $4 then 'broken' else 'suspended' end,
         broken_reason = case when failures + $3 >= $4 then $5 else broken_reason end,
         retry_at = case when failures + $3 >= $4
           then now() + interval '1 millisecond'
             * ($6::bigint[])[least(failures + $3 - $4 + 1, cardinality($6::bigint[]))]
           end
   where id = $1 and epoch = $2 and state = 'starting'
  returning id, state
), a as (
  delete from assignment a using d where a.database_id = d.id and a.epoch = $2
  returning a.host_id
), h as (
  insert into resync select host_id from a
)
select state from d`,
};

/**
 * @param counts whether the database is to blame, and not the slot, the host or the network.
 * @returns the state it came to, undefined if the index has gone on meanwhile.
 */
export async function databaseStartFailed(
  hot: Hot,
  database: string,
  epoch: number,
  counts: boolean,
  reason: string,
): Promise<'suspended' | 'broken' | undefined> {
  const rows = await hot.quick<{ state: 'suspended' | 'broken' }>(statement, [
    database,
    epoch,
    counts ? 1 : 0,
    BROKEN_AFTER_FAILURES,
    reason,
    BROKEN_BACKOFF_STEPS_MS,
  ]);
  return rows[0]?.state;
}
