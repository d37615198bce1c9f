/**
 * Takes back transitions that are past their deadline: a start becomes asleep again, a suspend
 * becomes running again, and the next sync of the host says what is true. Rows that someone works on
 * at this moment are skipped.
 */
import type { Hot } from './pool.ts';

const statement = {
  name: 'assignment-sweep',
  text: `
with late as materialized (
  select d.id, d.state, a.host_id
    from database d join assignment a on a.database_id = d.id
   where a.deadline < now()
   order by d.id
   limit 100
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
select id as database, state as was, host_id as host from late`,
};

export interface Swept {
  readonly database: string;
  readonly was: string;
  readonly host: string;
}

export async function assignmentSweep(hot: Hot): Promise<Swept[]> {
  return hot.quick<Swept>(statement, []);
}
