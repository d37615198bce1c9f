/**
 * Claims the next page of a run's items for one claimer, in the order of their ids. Two claimers
 * never get the same item: rows that another claims at this moment are skipped.
 *
 * A claimer that asks again after a crash gets its own unfinished items first, so use a name that
 * stays over the attempts of an activity, such as `<workflow run id>/<activity id>`. Each claim
 * raises the item's attempt; a late writer of an earlier attempt changes nothing (run-item-end.ts).
 */
import type { Cold } from './pool.ts';

const statement = {
  name: 'run-item-claim',
  text: `
with own as (
  select run_id, item_id from run_item
   where run_id = $1 and state = 'working' and claimed_by = $2
   order by item_id limit $3
   for update skip locked
), next as (
  select run_id, item_id from run_item
   where run_id = $1 and state = 'waiting' and (not_before is null or not_before <= now())
   order by item_id limit greatest($3 - (select count(*) from own), 0)
   for update skip locked
), page as materialized (
  select * from own union all select * from next
), claimed as (
  update run_item i
     set state = 'working', attempt = attempt + 1, claimed_by = $2, not_before = null, updated_at = now()
    from page p
   where i.run_id = p.run_id and i.item_id = p.item_id
  returning i.item_id as item, i.attempt
)
select item, attempt from claimed order by item`,
};

export interface ClaimedItem {
  /** The database id. */
  readonly item: string;
  readonly attempt: number;
}

/** @returns at most `limit`; none: nothing is waiting that is due. */
export async function runItemClaim(
  cold: Cold,
  run: string,
  claimer: string,
  limit: number,
): Promise<ClaimedItem[]> {
  return cold.quick<ClaimedItem>(statement, [run, claimer, limit]);
}
