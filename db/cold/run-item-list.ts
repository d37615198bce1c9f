/** A page of a run's items in one state, by id: what failed and why. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'run-item-list',
  text: `
select item_id as item, state, attempt, error, detail, result
  from run_item where run_id = $1 and state = $2 and item_id > $3
 order by item_id limit $4`,
};

export type ItemState = 'waiting' | 'working' | 'done' | 'failed' | 'skipped';

export interface RunItem {
  readonly item: string;
  readonly state: ItemState;
  readonly attempt: number;
  readonly error: string | null;
  readonly detail: string | null;
  readonly result: unknown;
}

/** @param after the last item of the page before, '' for the first. */
export async function runItemList(
  cold: Cold,
  run: string,
  state: ItemState,
  after: string,
  limit: number,
): Promise<RunItem[]> {
  return cold.durable<RunItem>(statement, [run, state, after, limit]);
}
