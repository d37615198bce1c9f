/**
 * The volume says that another incarnation, `heldEpoch` on `holder`, runs or may run: the claim is
 * undone and the index goes to that epoch, which may be lower than the one that was asked for, since
 * that one has never been minted. A resync of both hosts says what is in the slots.
 */
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-held',
  text: `
with d as (
  update database
     set epoch = $4, last_host = $3, said_boot = 0, said_version = -1, state = 'suspended'
   where id = $1 and epoch = $2 and state = 'starting'
  returning id
), a as (
  delete from assignment a using d where a.database_id = d.id
  returning a.host_id
)
insert into resync
select host_id from a union select $3 from d`,
};

export async function databaseHeld(
  hot: Hot,
  database: string,
  askedEpoch: number,
  holder: string,
  heldEpoch: number,
): Promise<void> {
  await hot.quick(statement, [database, askedEpoch, holder, heldEpoch]);
}
