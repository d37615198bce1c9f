/** The agent answered the attach (or create) of this epoch: it runs there. */
import type { Hot } from './pool.ts';
import type { Incarnation } from '../../model/wire.ts';

const statement = {
  name: 'database-running',
  text: `
with d as (
  update database
     set state = 'running', directory = $3, last_host = $4, said_boot = $5, said_version = $6,
         failures = 0, broken_reason = null, retry_at = null
   where id = $1 and epoch = $2 and state = 'starting'
  returning id
)
update assignment a
   set boot = $5, version = $6, socket = $7, port = $8, deadline = null
  from d
 where a.database_id = d.id and a.epoch = $2
returning a.database_id`,
};

/** @returns false if the index has gone on meanwhile; the next sync tells what is true. */
export async function databaseRunning(hot: Hot, host: string, at: Incarnation): Promise<boolean> {
  const rows = await hot.quick<object>(statement, [
    at.database,
    at.epoch,
    at.directory,
    host,
    at.boot,
    at.version,
    at.address.socket,
    at.address.port,
  ]);
  return rows.length > 0;
}
