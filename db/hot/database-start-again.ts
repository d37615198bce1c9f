/**
 * A newer epoch on the same host: its address was found dead (`stale`), or a wake came while it was
 * being suspended. The agent serialises per database, so that the attach waits for a stop in
 * progress, and the slot stays with the database: of its old size, if that has been changed since.
 */
import type { StartClaim } from './database-start.ts';
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-start-again',
  text: `
with e as (
  update database
     set epoch = epoch + 1, state = 'starting'
   where id = $1
     and (state = 'suspending' or (state = 'running' and epoch = $2))
  returning id, tenant, epoch, size
), a as (
  update assignment a
     set epoch = e.epoch, boot = null, version = null, socket = null, port = null,
         deadline = now() + $3 * interval '1 millisecond'
    from e
   where a.database_id = e.id
  returning a.database_id, a.host_id, a.size, a.slot
)
select e.tenant, e.epoch, coalesce(a.size, e.size) as size, a.host_id as host, a.slot, false as evicts
  from e left join a on a.database_id = e.id`,
};

/** @returns undefined if neither was the case. */
export async function databaseStartAgain(
  hot: Hot,
  database: string,
  staleEpoch: number | null,
  deadlineMs: number,
): Promise<StartClaim | undefined> {
  const rows = await hot.quick<StartClaim>(statement, [database, staleEpoch, deadlineMs]);
  return rows[0];
}
