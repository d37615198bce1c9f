/**
 * Takes back transitions that are past their deadline: a start becomes asleep again, a suspend
 * becomes running again, and the next sync of the host says what is true. Rows that someone works on
 * at this moment are skipped.
 *
 * It reads a page at a time, round and round: an index of deadlines would make every step of every
 * start and suspend write to all indexes of the table, and a database whose start outlived its caller
 * is started by the next caller anyway.
 */
import type { Hot } from './pool.ts';

/** Assignments in a page: 2 to 3 ms of work. */
const PAGE = 5_000;
/** Rows that are taken back at once; who finds so many stays on its page. */
const LATE_MAX = 500;

const statement = {
  name: 'assignment-sweep',
  text: `
with page as materialized (
  select database_id, host_id, deadline from assignment
   where database_id > $1 order by database_id limit $2
), late as materialized (
  select d.id, d.state, p.host_id
    from page p join database d on d.id = p.database_id
   where p.deadline < now()
   order by d.id
   limit $3
   for update of d skip locked
), d as (
  update database d
     set state = case late.state
           when 'starting' then 'suspended'
           when 'suspending' then 'running'
           else d.state end
    from late
   where d.id = late.id
), gone as (
  delete from assignment a using late
   where a.database_id = late.id and late.state not in ('running', 'suspending')
), kept as (
  update assignment a set deadline = null
    from late
   where a.database_id = late.id and late.state in ('running', 'suspending')
), h as (
  insert into resync select distinct host_id from late
)
select case when p.n = $2 then p.last else '' end as next,
       late.id as database, late.state as was, late.host_id as host
  from (select count(*) as n, max(database_id) as last from page) p left join late on true`,
};

export interface Swept {
  readonly database: string;
  readonly was: string;
  readonly host: string;
}

/**
 * @param after where the last page ended; '' = from the beginning.
 * @returns what was taken back, and where the next page begins.
 */
export async function assignmentSweep(
  hot: Hot,
  after: string,
): Promise<{ readonly swept: readonly Swept[]; readonly next: string }> {
  const rows = await hot.quick<Swept & { next: string }>(statement, [after, PAGE, LATE_MAX]);
  const swept = rows.filter((row) => row.database !== null);
  return { swept, next: swept.length === LATE_MAX ? after : (rows[0]?.next ?? '') };
}
