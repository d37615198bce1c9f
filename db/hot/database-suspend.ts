/**
 * The three statements of a suspend, each fenced at the write by epoch and state: begin, done, kept.
 */
import type { Version } from '../../model/version.ts';
import type { Gathered } from './hot.ts';
import type { Hot } from './hot.ts';

const suspend: Gathered = {
  one: { name: 'database-suspend', text: 'select * from database_suspend($1, $2, $3)' },
  many: { name: 'databases-suspend', text: 'select * from databases_suspend($1, $2, $3)' },
};

/** @returns the host that runs this epoch, undefined if it is not the running one. */
export async function databaseSuspend(
  hot: Hot,
  database: string,
  epoch: number,
  deadlineMs: number,
): Promise<string | undefined> {
  return (await hot.gather<{ host: string }>(suspend, [database, epoch, deadlineMs]))?.host;
}

const suspended: Gathered = {
  one: { name: 'database-suspended', text: 'select database_suspended($1, $2, $3, $4)' },
  many: { name: 'databases-suspended', text: 'select * from databases_suspended($1, $2, $3, $4)' },
};

/** The agent ended this epoch, and the slot is vacant again. */
export async function databaseSuspended(
  hot: Hot,
  database: string,
  epoch: number,
  said: Version,
): Promise<void> {
  await hot.gather(suspended, [database, epoch, said.boot, said.version]);
}

const kept = { name: 'database-kept', text: 'select database_kept($1, $2)' };

/** The agent found this epoch busy. */
export async function databaseKept(hot: Hot, database: string, epoch: number): Promise<void> {
  await hot.quick(kept, [database, epoch]);
}
