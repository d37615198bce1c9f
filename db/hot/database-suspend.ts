/**
 * The three statements of a suspend, each fenced at the write by epoch and state: begin, done, kept.
 */
import type { Version } from '../../model/version.ts';
import { callOf } from './function-call.ts';
import type { Gathered, Hot } from './hot.ts';

const suspend: Gathered = {
  one: callOf('database_suspend', 3),
  many: callOf('databases_suspend', 3),
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
  one: callOf('database_suspended', 4),
  many: callOf('databases_suspended', 4),
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

const kept = callOf('database_kept', 2);

/** The agent found this epoch busy, or nobody knows what it found: it is asked for its report again. */
export async function databaseKept(hot: Hot, database: string, epoch: number): Promise<void> {
  await hot.quick(kept, [database, epoch]);
}
