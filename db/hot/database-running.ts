/** The agent answered the attach (or create) of this epoch: it runs there. */
import type { Incarnation } from '../../model/wire.ts';
import { callOf } from './function-call.ts';
import type { Gathered, Hot } from './hot.ts';

const running: Gathered = {
  one: callOf('database_running', 8),
  many: callOf('databases_running', 8),
};

/** @returns false if the index has gone on meanwhile; the next sync tells what is true. */
export async function databaseRunning(hot: Hot, host: string, at: Incarnation): Promise<boolean> {
  const { database, epoch, directory, boot, version, address } = at;
  const { socket, port } = address;
  const values = [database, epoch, directory, host, boot, version, socket, port];
  return (await hot.gather(running, values)) !== undefined;
}
