/**
 * The attach of this epoch came to nothing: asleep again, or parked as `broken` after too many in a
 * row. The slot is not given back here: what is in it the agent knows, so a resync
 * of its host is asked for.
 */
import { BROKEN_AFTER_FAILURES, BROKEN_BACKOFF_STEPS_MS } from '../../model/state.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_start_failed', 6);

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
  const [after, steps] = [BROKEN_AFTER_FAILURES, BROKEN_BACKOFF_STEPS_MS];
  const values = [database, epoch, counts ? 1 : 0, after, reason, steps];
  return (await hot.quick<{ state: 'suspended' | 'broken' }>(statement, values))[0]?.state;
}
