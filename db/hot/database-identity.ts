/**
 * Takes over what the identity document says, if it is newer than what is known; and the tombstone,
 * also when it was taken back. A tombstone ends the assignment: the next report of its host says
 * what the slot holds.
 */
import type { Identity } from '../../model/identity.ts';
import type { Hot } from './hot.ts';

const statement = {
  name: 'database-identity',
  text: `
with d as (
  update database d
     set identity = $2::jsonb, identity_version = $3, deleted_at = $4, size = $5,
         state = case when $4::timestamptz is not null then 'deleting'
                      when d.state = 'deleting' then 'suspended' else d.state end
    from database o
   where d.id = $1 and d.identity_version < $3 and o.id = d.id
  returning d.id, d.tenant, d.size, d.epoch, d.deleted_at, o.deleted_at as was_deleted_at
), a as (
  delete from assignment a using d where a.database_id = d.id and d.deleted_at is not null
  returning a.host_id as host, a.epoch
), h as (
  insert into resync select host from a
), n as (
  insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
  select 'hot', 0, nextval('event_hot_seq'),
         case when deleted_at is not null then 'database_deleted'
              when was_deleted_at is not null then 'database_undeleted'
              else 'database_changed' end,
         now(), id, tenant, epoch, size
    from d
)
select host, epoch from a`,
};

/** @returns where a deleted database was assigned. */
export async function databaseIdentity(
  hot: Hot,
  identity: Identity,
): Promise<{ readonly host: string; readonly epoch: number } | undefined> {
  const { id, version, deleted_at, size } = identity;
  const values = [id, JSON.stringify(identity), version, deleted_at, size];
  return (await hot.durable<{ host: string; epoch: number }>(statement, values))[0];
}
