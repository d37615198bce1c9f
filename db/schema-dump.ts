/**
 * The whole schema as text, so that every migration's diff shows what it makes: tables with columns,
 * constraints, indexes and settings, then functions. Read from the catalogs, because the embedded
 * Postgres brings no pg_dump.
 */
import { connect } from './client.ts';

const TABLES = `
select format(E'create table %s (\\n%s\\n)%s;', c.relname,
  concat_ws(E',\\n', a.columns, k.constraints),
  ' with (' || array_to_string(c.reloptions, ', ') || ')')
from pg_class c
join lateral (
  select string_agg(format('  %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' else '' end,
    case when a.attidentity = 'a' then ' generated always as identity'
         else coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') end),
    E',\\n' order by a.attnum) as columns
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) a on true
left join lateral (
  select string_agg('  ' || pg_get_constraintdef(k.oid), E',\\n' order by k.contype desc, k.conname)
    as constraints
  from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n') k on true
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'migration'
order by c.relname`;

const INDEXES = `
select pg_get_indexdef(i.indexrelid) || ';'
from pg_index i join pg_class c on c.oid = i.indrelid
where c.relnamespace = 'public'::regnamespace and c.relname <> 'migration'
  and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
order by 1`;

const FUNCTIONS = `
select pg_get_functiondef(p.oid) || ';'
from pg_proc p where p.pronamespace = 'public'::regnamespace
order by p.proname`;

const GRANTS = `
select format('grant %s on %s to %s;', string_agg(lower(x.privilege_type), ', ' order by x.privilege_type),
  c.relname, r.rolname)
from pg_class c, aclexplode(c.relacl) x join pg_roles r on r.oid = x.grantee
where c.relnamespace = 'public'::regnamespace and r.rolname like 'pilotlight%'
group by c.relname, r.rolname
order by c.relname, r.rolname`;

/** @param url of a database with all migrations. */
export async function dumpSchema(url: string): Promise<string> {
  const client = await connect(url);
  try {
    const parts: string[] = [];
    for (const sql of [TABLES, INDEXES, FUNCTIONS, GRANTS]) {
      const { rows } = await client.query(sql);
      parts.push(rows.map((row) => String(row[0])).join('\n\n'));
    }
    return parts.filter((part) => part !== '').join('\n\n');
  } finally {
    await client.end();
  }
}
