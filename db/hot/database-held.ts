/**
 * The volume says that another incarnation, `heldEpoch` on `holder`, runs or may run: the claim is
 * undone and the index goes to that epoch, which may be lower than the one that was asked for, since
 * that one has never been minted. A resync of both hosts says what is in the slots.
 */
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_held', 4);

export async function databaseHeld(
  hot: Hot,
  database: string,
  askedEpoch: number,
  holder: string,
  heldEpoch: number,
): Promise<void> {
  await hot.quick(statement, [database, askedEpoch, holder, heldEpoch]);
}
