/** Takes over what the identity document says, if it is newer than what is known; and the tombstone. */
import type { Identity } from '../../model/identity.ts';
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-identity',
  text: `
with d as (
  update database
     set identity = $2::jsonb, identity_version = $3,
         state = case when $4::timestamptz is null then state else 'deleting' end,
         deleted_at = $4
   where id = $1 and identity_version < $3
  returning id, tenant, size, epoch, deleted_at
)
insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
select 'hot', 0, nextval('event_hot_seq'),
       case when deleted_at is null then 'database_changed' else 'database_deleted' end,
       now(), id, tenant, epoch, size
  from d`,
};

export async function databaseIdentity(hot: Hot, identity: Identity): Promise<void> {
  await hot.durable(statement, [
    identity.id,
    JSON.stringify(identity),
    identity.version,
    identity.deleted_at,
  ]);
}

const free = {
  name: 'database-deleted-free',
  text: `
with a as (
  delete from assignment a using database d
   where a.database_id = $1 and d.id = a.database_id and d.state = 'deleting'
  returning a.size, a.host_id, a.slot
)
insert into resync select host_id from a`,
};

/** What ran of a deleted database has been ended. */
export async function databaseDeletedFree(hot: Hot, database: string): Promise<void> {
  await hot.durable(free, [database]);
}
