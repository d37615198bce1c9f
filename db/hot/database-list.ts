/** Databases in id order, a page at a time from a key, never by offset. */
import { DATABASE_COLUMNS, type DatabaseRow } from './database-find.ts';
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-list',
  text: `
select ${DATABASE_COLUMNS}
  from database d left join assignment a on a.database_id = d.id
 where d.id > $1
   and ($2::text[] is null or d.tenant = any($2))
   and ($3::text is null or d.state = $3)
   and ($4::jsonb is null or d.identity -> 'labels' @> $4)
 order by d.id
 limit $5`,
};

export interface ListFilter {
  readonly after: string;
  /** null: all */
  readonly tenants: readonly string[] | null;
  readonly state: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly limit: number;
}

export async function databaseList(hot: Hot, filter: ListFilter): Promise<DatabaseRow[]> {
  return hot.quick<DatabaseRow>(statement, [
    filter.after,
    filter.tenants,
    filter.state,
    filter.labels === null ? null : JSON.stringify(filter.labels),
    filter.limit,
  ]);
}
