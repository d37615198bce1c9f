/** The volume has minted further than the index knew: ask for the epoch after that one. */
import type { Hot } from './hot.ts';

const statement = {
  name: 'database-raise',
  text: 'select * from database_raise($1, $2, $3)',
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
