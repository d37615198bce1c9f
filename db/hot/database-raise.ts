/** The volume has minted further than the index knew: ask for the epoch after that one. */
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_raise', 3);

/** @returns the new epoch, undefined if the index has gone on meanwhile. */
export async function databaseRaise(
  hot: Hot,
  database: string,
  askedEpoch: number,
  minted: number,
): Promise<number | undefined> {
  const values = [database, askedEpoch, minted];
  return (await hot.quick<{ epoch: number }>(statement, values))[0]?.epoch;
}
