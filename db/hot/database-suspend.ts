/**
 * The three statements of a suspend, each fenced at the write by epoch and state: begin, done, kept.
 */
import type { Version } from '../../model/version.ts';
import type { Gathered } from './gather.ts';
import type { Hot } from './pool.ts';

const suspend: Gathered = {
  one: {
    name: 'database-suspend',
    text: `
with d as (
  update database set state = 'suspending'
   where id = $1 and epoch = $2 and state = 'running'
  returning id
)
update assignment a set deadline = now() + $3 * interval '1 millisecond'
  from d where a.database_id = d.id
returning a.host_id as host`,
  },
  many: { name: 'databases-suspend', text: 'select * from databases_suspend($1, $2, $3)' },
};

/** @returns the host that runs this epoch, undefined if it is not the running one. */
export async function databaseSuspend(
  hot: Hot,
  database: string,
  epoch: number,
  deadlineMs: number,
): Promise<string | undefined> {
  return (await hot.gather<{ host: string }>(suspend, [database, epoch, deadlineMs]))?.host;
}

/** A cordoned host's slot is vacant, but not to be had. */
const suspended: Gathered = {
  one: {
    name: 'database-suspended',
    text: `
with d as (
  update database set state = 'suspended', said_boot = $3, said_version = $4
   where id = $1 and epoch = $2 and state in ('running', 'suspending')
  returning id
), a as (
  delete from assignment a using d where a.database_id = d.id and a.epoch = $2
  returning a.size, a.host_id, a.slot
)
insert into slot_vacant (host_id, size, slot)
select a.host_id, a.size, a.slot from a join host k on k.host_id = a.host_id and not k.cordoned
on conflict do nothing`,
  },
  many: { name: 'databases-suspended', text: 'select * from databases_suspended($1, $2, $3, $4)' },
};

/** The agent ended this epoch, and the slot is vacant again. */
export async function databaseSuspended(
  hot: Hot,
  database: string,
  epoch: number,
  said: Version,
): Promise<void> {
  await hot.gather(suspended, [database, epoch, said.boot, said.version]);
}

const kept = {
  name: 'database-kept',
  text: `
with d as (
  update database set state = 'running'
   where id = $1 and epoch = $2 and state = 'suspending'
  returning id
)
update assignment a set deadline = null from d where a.database_id = d.id`,
};

/** The agent found this epoch busy. */
export async function databaseKept(hot: Hot, database: string, epoch: number): Promise<void> {
  await hot.quick(kept, [database, epoch]);
}
