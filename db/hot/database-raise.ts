/** The volume has minted further than the index knew: ask for the epoch after that one. */
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-raise',
  text: `
with d as (
  update database set epoch = $3::bigint + 1
   where id = $1 and epoch = $2 and state = 'starting' and epoch <= $3
  returning id, epoch
), a as (
  update assignment a set epoch = d.epoch from d where a.database_id = d.id
)
select epoch from d`,
};

/** @returns the new epoch, undefined if the index has gone on meanwhile. */
export async function databaseRaise(
  hot: Hot,
  database: string,
  askedEpoch: number,
  minted: number,
): Promise<number | undefined> {
  const rows = await hot.quick<{ epoch: number }>(statement, [database, askedEpoch, minted]);
  return rows[0]?.epoch;
}
