/**
 * Databases in id order, a page at a time from a key, never by offset. Those of some tenants are read
 * from each tenant's own part of the index, so that a page never costs a walk over the others'.
 */
import { DATABASE_COLUMNS } from './database-find.ts';
import type { DatabaseRow, ListFilter } from './rows.ts';
import type { Hot } from './hot.ts';

const wanted = `
     and ($2::text is null or d.state = $2)
     and ($3::jsonb is null or d.identity -> 'labels' @> $3)
   order by d.id
   limit $4`;

const ofAll = {
  name: 'database-list',
  text: `
select ${DATABASE_COLUMNS}
  from (select d.* from database d where d.id > $1 ${wanted}) d
  left join assignment a on a.database_id = d.id
 order by d.id`,
};

const ofTenants = {
  name: 'database-list-of-tenants',
  text: `
select ${DATABASE_COLUMNS}
  from (select d.* from unnest($5::text[]) t(name) cross join lateral (
          select d.* from database d where d.tenant = t.name and d.id > $1 ${wanted}) d
         order by d.id limit $4) d
  left join assignment a on a.database_id = d.id
 order by d.id`,
};

export async function databaseList(hot: Hot, filter: ListFilter): Promise<DatabaseRow[]> {
  const { after, tenants, state, labels, limit } = filter;
  const values = [after, state, labels === null ? null : JSON.stringify(labels), limit];
  if (tenants === null) return hot.quick<DatabaseRow>(ofAll, values);
  return hot.quick<DatabaseRow>(ofTenants, [...values, tenants]);
}
