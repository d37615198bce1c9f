/** The agent answered the attach (or create) of this epoch: it runs there. */
import type { Incarnation } from '../../model/wire.ts';
import type { Gathered } from './hot.ts';
import type { Hot } from './hot.ts';

const running: Gathered = {
  one: {
    name: 'database-running',
    text: 'select * from database_running($1, $2, $3, $4, $5, $6, $7, $8)',
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
