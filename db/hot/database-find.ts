/** One database with its assignment, as the index knows it now. */
import { AppError } from '../../model/errors.ts';
import type { Hot } from './hot.ts';
import type { DatabaseRow } from './rows.ts';

export const DATABASE_COLUMNS = `
d.id, d.tenant, d.size, d.state, d.epoch, d.directory, d.last_host, d.failures, d.broken_reason,
d.retry_at, d.identity, d.identity_version, d.created_at, d.deleted_at,
a.host_id as host, a.size as assigned_size, a.slot, a.epoch as assigned_epoch, a.socket, a.port`;

const statement = {
  name: 'database-find',
  text: `
select ${DATABASE_COLUMNS}
  from database d left join assignment a on a.database_id = d.id
 where d.id = $1`,
};

export async function databaseFind(hot: Hot, id: string): Promise<DatabaseRow | undefined> {
  const rows = await hot.quick<DatabaseRow>(statement, [id]);
  return rows[0];
}

/** @throws AppError `database_not_found` */
export async function databaseGet(hot: Hot, id: string): Promise<DatabaseRow> {
  const row = await databaseFind(hot, id);
  if (row === undefined) throw new AppError('database_not_found');
  return row;
}

/** @throws AppError `database_not_found`, `database_deleted` */
export async function databaseLive(hot: Hot, id: string): Promise<DatabaseRow> {
  const row = await databaseGet(hot, id);
  if (row.state === 'deleting') throw new AppError('database_deleted');
  return row;
}
