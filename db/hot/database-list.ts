/** Databases in id order, a page at a time from a key. */
import { callOf } from './function-call.ts';
import type { DatabaseRow, ListFilter } from './rows.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_list', 5);

export async function databaseList(hot: Hot, filter: ListFilter): Promise<DatabaseRow[]> {
  const { after, tenants, state, labels, limit } = filter;
  const wanted = labels === null ? null : JSON.stringify(labels);
  return hot.quick<DatabaseRow>(statement, [after, state, wanted, limit, tenants]);
}
