/**
 * What became of a claimed item: done, failed or skipped, or back to waiting until later. Counts only
 * with the attempt of the newest claim, so that a worker that was thought dead overwrites nothing.
 */
import type { Cold } from './pool.ts';

const end = {
  name: 'run-item-end',
  text: `
update run_item
   set state = $4, error = $5, detail = left($6, 300), result = $7::jsonb, claimed_by = null, updated_at = now()
 where run_id = $1 and item_id = $2 and attempt = $3 and state = 'working'
returning 1`,
};

export interface ItemEnd {
  readonly run: string;
  readonly item: string;
  readonly attempt: number;
  readonly state: 'done' | 'failed' | 'skipped';
  /** The code of the closed table, of a failed or skipped one. */
  readonly error?: string;
  /** A sentence for the operator. No SQL values, no secrets. */
  readonly detail?: string;
  /** Small facts as JSON. */
  readonly result?: unknown;
}

/** @returns false if this attempt is not the newest; nothing was written. */
export async function runItemEnd(cold: Cold, item: ItemEnd): Promise<boolean> {
  const rows = await cold.durable(end, [
    item.run,
    item.item,
    item.attempt,
    item.state,
    item.error ?? null,
    item.detail ?? null,
    item.result === undefined ? null : JSON.stringify(item.result),
  ]);
  return rows.length > 0;
}

const defer = {
  name: 'run-item-defer',
  text: `
update run_item
   set state = 'waiting', error = $4, claimed_by = null, updated_at = now(),
       not_before = now() + $5 * interval '1 millisecond'
 where run_id = $1 and item_id = $2 and attempt = $3 and state = 'working'
returning 1`,
};

export interface ItemDefer {
  readonly run: string;
  readonly item: string;
  readonly attempt: number;
  /** Why: `held`, `below_floor`, … */
  readonly error: string;
  readonly afterMs: number;
}

/** Not now: the item waits again. @returns false if this attempt is not the newest. */
export async function runItemDefer(cold: Cold, item: ItemDefer): Promise<boolean> {
  const rows = await cold.quick(defer, [
    item.run,
    item.item,
    item.attempt,
    item.error,
    item.afterMs,
  ]);
  return rows.length > 0;
}
