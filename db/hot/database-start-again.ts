/**
 * A newer epoch on the same host: its address was found dead (`stale`), or a wake came while it was
 * being suspended. The agent serialises per database, so that the attach waits for a stop in
 * progress, and the slot stays with the database: of its old size, if that has been changed since.
 */
import type { StartClaim } from './rows.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_start_again', 3);

/** @returns undefined if neither was the case. */
export async function databaseStartAgain(
  hot: Hot,
  database: string,
  staleEpoch: number | null,
  deadlineMs: number,
): Promise<StartClaim | undefined> {
  return (await hot.quick<StartClaim>(statement, [database, staleEpoch, deadlineMs]))[0];
}
