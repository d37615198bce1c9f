/** One database with its assignment, as the index knows it now. */
import { AppError } from '../../model/errors.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';
import type { DatabaseRow } from './rows.ts';

const statement = callOf('database_find', 1);

export async function databaseFind(hot: Hot, id: string): Promise<DatabaseRow | undefined> {
  return (await hot.quick<DatabaseRow>(statement, [id]))[0];
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
