/**
 * Claims a slot for a sleeping database: raises its epoch (single flight and fence in one), takes a
 * vacant slot, else the room of a warm one, and assigns it.
 *
 * The slot CTEs depend on `e`, so that a lost race takes no slot, and are MATERIALIZED with their
 * LIMIT inside: as an IN-subquery the planner may run them once per row and claim many (BUG #15715).
 * Hosts are tried in the order given, the one that ran the database last first (its page cache).
 */
import type { SizeName } from '../../model/sizes.ts';
import type { Hot } from './pool.ts';

const statement = {
  name: 'database-start',
  text: `
with e as (
  update database
     set epoch = epoch + 1, state = 'starting'
   where id = $1
     and (state = 'suspended' or (state = 'broken' and ($4 or retry_at <= now())))
     and case when $5::integer is null then true else above_floor(size, $2, $5) end
  returning id, epoch, size, last_host
), h as materialized (
  select u.host_id, row_number() over (order by (u.host_id = e.last_host) desc nulls last, u.n) as n
    from e cross join unnest($2::text[]) with ordinality as u(host_id, n)
), v as materialized (
  select s.host_id, s.size, s.slot
    from (select host_id from h order by n) h
    cross join lateral (
      select x.host_id, x.size, x.slot from slot_vacant x
       where x.size = (select size from e) and x.host_id = h.host_id
       order by x.slot limit 1 for update skip locked) s
   limit 1
), w as materialized (
  select s.host_id, s.size, s.slot
    from (select host_id from h where $5 is null and not exists (select from v) order by n) h
    cross join lateral (
      select x.host_id, x.size, x.slot from slot_warm x
       where x.size = (select size from e) and x.host_id = h.host_id
       order by x.slot limit 1 for update skip locked) s
   limit 1
), dv as (
  delete from slot_vacant s using v
   where s.size = v.size and s.host_id = v.host_id and s.slot = v.slot
  returning s.host_id, s.size, s.slot, false as evicts
), dw as (
  delete from slot_warm s using w
   where s.size = w.size and s.host_id = w.host_id and s.slot = w.slot
  returning s.host_id, s.size, s.slot, true as evicts
), c as (
  select * from dv union all select * from dw
), a as (
  insert into assignment (database_id, host_id, size, slot, epoch, deadline)
  select e.id, c.host_id, c.size, c.slot, e.epoch, now() + $3 * interval '1 millisecond'
    from e, c
)
select e.epoch, e.size, c.host_id as host, c.slot, c.evicts
  from e left join c on true`,
};

export interface StartClaim {
  readonly epoch: number;
  readonly size: SizeName;
  /** null: the epoch was raised, but no slot was free. */
  readonly host: string | null;
  readonly slot: number | null;
  /** The slot holds a warm Postgres that has to go first. */
  readonly evicts: boolean | null;
}

/**
 * @param floor of maintenance: it claims only while more slots are vacant, and evicts nothing.
 * @returns undefined if the database was not there to be started: someone else was first, or nothing
 * is to be had above the floor.
 */
export async function databaseStart(
  hot: Hot,
  database: string,
  hosts: readonly string[],
  deadlineMs: number,
  force: boolean,
  floor: number | null = null,
): Promise<StartClaim | undefined> {
  const values = [database, hosts, deadlineMs, force, floor];
  const rows = await hot.quick<StartClaim>(statement, values);
  return rows[0];
}
