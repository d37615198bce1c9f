/** Items that are to be claimed once more. */
import type { Cold } from './pool.ts';

const failed = {
  name: 'run-item-retry-failed',
  text: `
update run_item set state = 'waiting', not_before = null, updated_at = now()
 where run_id = $1 and state = 'failed'
returning 1`,
};

/** All that failed wait again; error and attempt stay to be seen. @returns how many. */
export async function runItemRetryFailed(cold: Cold, run: string): Promise<number> {
  const rows = await cold.durable(failed, [run]);
  return rows.length;
}

const abandoned = {
  name: 'run-item-abandoned',
  text: `
update run_item set state = 'waiting', claimed_by = null, updated_at = now()
 where run_id = $1 and state = 'working'
returning 1`,
};

/**
 * What a claimer left that will not come back (its activity has failed for good) waits again. To be
 * called when no activity of the run is in flight. @returns how many.
 */
export async function runItemAbandoned(cold: Cold, run: string): Promise<number> {
  const rows = await cold.durable(abandoned, [run]);
  return rows.length;
}
