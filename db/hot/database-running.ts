/** The agent answered the attach (or create) of this epoch: it runs there. */
import type { Incarnation } from '../../model/wire.ts';
import type { Gathered } from './gather.ts';
import type { Hot } from './pool.ts';

const running: Gathered = {
  one: {
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
  },
  many: {
    name: 'databases-running',
    text: 'select * from databases_running($1, $2, $3, $4, $5, $6, $7, $8)',
  },
};

/** @returns false if the index has gone on meanwhile; the next sync tells what is true. */
export async function databaseRunning(hot: Hot, host: string, at: Incarnation): Promise<boolean> {
  const { database, epoch, directory, boot, version, address } = at;
  const { socket, port } = address;
  const values = [database, epoch, directory, host, boot, version, socket, port];
  return (await hot.gather(running, values)) !== undefined;
}
