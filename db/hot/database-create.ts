/**
 * A new database with its slot in one durable statement: a warm slot if there is one, else a vacant
 * one for a clone. Without either nothing is written, and no row comes back.
 */
import type { NewIdentity } from '../../model/identity.ts';
import type { Hot } from './pool.ts';
import { slotOf } from './slot-of.ts';

const statement = {
  name: 'database-create',
  text: `
with h as materialized (
  select k.host_id, $3 as size, u.n, (random() * 4294967295 - 2147483648)::integer as start
    from unnest($4::text[]) with ordinality u(host_id, n)
    join host k on k.host_id = u.host_id and not k.cordoned
), w as materialized (
  select s.* from (select * from h order by n) h cross join lateral (${slotOf('slot_warm')}) s
   limit 1
), v as materialized (
  select s.* from (select * from h where not exists (select from w) order by n) h
    cross join lateral (${slotOf('slot_vacant')}) s
   limit 1
), dw as (
  delete from slot_warm s using w where s.ctid = w.ctid
), dv as (
  delete from slot_vacant s using v where s.ctid = v.ctid
), c as (
  select host_id, size, slot, 'warm' as source from w
  union all
  select host_id, size, slot, 'clone' from v
), t as (
  insert into tenant (name) select $2 from c on conflict do nothing
), d as (
  insert into database (id, tenant, size, state, epoch, identity, identity_version)
  select $1, $2, $3, 'starting', 1, $5::jsonb, 1 from c
  returning id
), a as (
  insert into assignment (database_id, host_id, size, slot, epoch, deadline)
  select $1, c.host_id, c.size, c.slot, 1, now() + $6 * interval '1 millisecond' from c
), n as (
  insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
  select 'hot', 0, nextval('event_hot_seq'), 'database_created', now(), $1, $2, 1, $3 from c
)
select host_id as host, slot, source from c`,
};

export interface CreateClaim {
  readonly host: string;
  readonly slot: number;
  readonly source: 'warm' | 'clone';
}

/**
 * @returns undefined without room.
 * @throws the unique violation 23505 if the id exists.
 */
export async function databaseCreate(
  hot: Hot,
  identity: NewIdentity,
  hosts: readonly string[],
  deadlineMs: number,
): Promise<CreateClaim | undefined> {
  const rows = await hot.durable<CreateClaim>(statement, [
    identity.id,
    identity.tenant,
    identity.size,
    hosts,
    JSON.stringify(identity),
    deadlineMs,
  ]);
  return rows[0];
}

const undo = {
  name: 'database-create-undo',
  text: `
with d as (
  delete from database
   where id = $1 and epoch = 1 and state in ('starting', 'suspended') and directory is null
  returning id, tenant, size
), a as (
  delete from assignment a using d where a.database_id = d.id
  returning a.host_id
), h as (
  insert into resync select host_id from a
)
insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
select 'hot', 0, nextval('event_hot_seq'), 'database_create_undone', now(), id, tenant, 1, size from d`,
};

/** The agent made nothing: the row goes, and the next sync of its host says what the slot holds. */
export async function databaseCreateUndo(hot: Hot, database: string): Promise<void> {
  await hot.durable(undo, [database]);
}
