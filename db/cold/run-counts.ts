/** How many items of a run are in which state: one look at an index, whatever the workflow holds. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'run-counts',
  text: `
select count(*) as total,
       count(*) filter (where state = 'waiting') as waiting,
       count(*) filter (where state = 'working') as working,
       count(*) filter (where state = 'done') as done,
       count(*) filter (where state = 'failed') as failed,
       count(*) filter (where state = 'skipped') as skipped,
       coalesce(ceil(extract(epoch from
         min(not_before) filter (where state = 'waiting') - now()) * 1000), 0)::bigint as due_in_ms
  from run_item where run_id = $1`,
};

export interface RunCounts {
  readonly total: number;
  /** Waiting includes those that were deferred and are not due yet. */
  readonly waiting: number;
  readonly working: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  /** Until the first deferred item is due; zero or less if one is due, or none was deferred. */
  readonly due_in_ms: number;
}

export async function runCounts(cold: Cold, run: string): Promise<RunCounts> {
  const rows = await cold.durable<RunCounts>(statement, [run]);
  const [counts] = rows;
  if (counts === undefined) throw new Error('BUG: a count without a row');
  return counts;
}
