/** Records the proof of a purge, once, and marks the database. The first proof is the one that stays. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'purge-record',
  text: `
with p as (
  insert into purge (database_id, host_id, directory, files, bytes) values ($1, $2, $3, $4, $5)
  on conflict (database_id) do nothing
  returning database_id
), d as (
  update database set state = 'purged' where id = $1
)
select count(*) = 1 as first from p`,
};

export interface Purge {
  readonly database: string;
  readonly host: string;
  readonly directory: string;
  readonly files: number;
  readonly bytes: number;
}

/** @returns false if there was a proof already. */
export async function purgeRecord(cold: Cold, purge: Purge): Promise<boolean> {
  const values = [purge.database, purge.host, purge.directory, purge.files, purge.bytes];
  const rows = await cold.durable<{ first: boolean }>(statement, values);
  return rows[0]?.first ?? false;
}
