/**
 * Claims a slot for a sleeping database: takes a vacant slot, else the room of a warm one, raises the
 * epoch (single flight and fence in one) and assigns it. Where there is no room nothing is written.
 *
 * Everything depends on the database's locked row, so that a lost race takes no slot, and what takes a
 * slot is MATERIALIZED with its LIMIT inside: as an IN-subquery the planner may run it once per row
 * and claim many (BUG #15715).
 *
 * Hosts: the one that ran it last (its page cache), then those given. A database on a volume of kind
 * `local` has only that one. A cordoned host is none: cold_cordon (migration 0005) says why this holds
 * for a claim that began before.
 */
import type { SizeName } from '../../model/sizes.ts';
import type { Gathered } from './gather.ts';
import type { Hot } from './pool.ts';
import { slotOf } from './slot-of.ts';

export const start: Gathered = {
  one: {
    name: 'database-start',
    text: `
with d as materialized (
  select b.id, b.tenant, b.size, b.last_host, b.directory,
         (random() * 4294967295 - 2147483648)::integer as start
    from database b
   where b.id = $1
     and (b.state = 'suspended' or (b.state = 'broken' and ($5 or b.retry_at <= now())))
     and case when $6::integer is null then true else above_floor(b.size, $2, $6) end
     for update
), h as materialized (
  select k.host_id, d.size, d.start, p.n
    from d
    left join host l on l.host_id = d.last_host
    cross join lateral (
      select d.last_host as host_id, 0 as n where d.last_host <> all ($3::text[])
      union all
      select u.host_id, u.n from unnest($2::text[]) with ordinality u(host_id, n)
       where u.host_id is distinct from d.last_host and (l.local and d.directory is not null) is not true) p
    join host k on k.host_id = p.host_id and not k.cordoned
), v as materialized (
  select s.* from (select * from h order by n) h cross join lateral (${slotOf('slot_vacant')}) s
   limit 1
), w as materialized (
  select s.* from (select * from h where $6 is null and not exists (select from v) order by n) h
    cross join lateral (${slotOf('slot_warm')}) s
   limit 1
), e as (
  update database b set epoch = b.epoch + 1, state = 'starting'
    from d
   where b.id = d.id and (exists (select from v) or exists (select from w))
  returning b.epoch
), dv as (
  delete from slot_vacant s using v where s.ctid = v.ctid
), dw as (
  delete from slot_warm s using w where s.ctid = w.ctid
), c as (
  select host_id, size, slot, false as evicts from v
  union all
  select host_id, size, slot, true from w
), a as (
  insert into assignment (database_id, host_id, size, slot, epoch, deadline)
  select $1, c.host_id, c.size, c.slot, e.epoch, now() + $4 * interval '1 millisecond' from c, e
)
select d.tenant, d.size, e.epoch, c.host_id as host, c.slot, c.evicts
  from d left join c on true left join e on true`,
  },
  many: { name: 'databases-start', text: 'select * from databases_start($1, $2, $3, $4)' },
  together: (calls) => [
    calls.map(([database]) => database),
    calls.map(([, hosts]) => (hosts as string[])[0]),
    ...(calls[0] ?? []).slice(2, 4),
  ],
};

export interface StartCall {
  readonly database: string;
  /** Where to look, the best first. */
  readonly hosts: readonly string[];
  /** Where not to look, whatever ran there last. */
  readonly silent: readonly string[];
  readonly deadlineMs: number;
  /** An operator's start tries a broken database before its time. */
  readonly force: boolean;
  /** Of maintenance: it claims only while more slots are vacant on `hosts`, and evicts nothing. */
  readonly floor: number | null;
}

/** Without host and epoch: there was no room, and nothing has changed. */
export interface StartClaim {
  readonly tenant: string;
  readonly size: SizeName;
  readonly epoch: number | null;
  readonly host: string | null;
  readonly slot: number | null;
  /** The slot holds a warm Postgres that has to go first. */
  readonly evicts: boolean | null;
}

/**
 * @returns undefined if the database was not there to be started: someone else was first, or nothing
 * is to be had above the floor.
 */
export async function databaseStart(hot: Hot, call: StartCall): Promise<StartClaim | undefined> {
  const { database, hosts, silent, deadlineMs, force, floor } = call;
  const values = [database, hosts, silent, deadlineMs, force, floor];
  if (!force && floor === null) return hot.gather<StartClaim>(start, values);
  return (await hot.quick<StartClaim>(start.one, values))[0];
}
