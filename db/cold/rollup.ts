/**
 * The statements of a rollup: usage intervals → ledger lines, per database, epoch and clock hour.
 * Always computed anew from the intervals, so that a repetition changes nothing; `dirty` brings back
 * intervals that changed after their hours were rolled up.
 */
import type { Period, RollupCursor } from '../../model/cold/billing.ts';
import type { Cold } from './pool.ts';

const begin = {
  name: 'rollup-begin',
  text: `
insert into ledger_hour (hour_ms, upto_ms, complete_ms)
select h, least(h + 3600000, $2::bigint), h
  from generate_series($1::bigint, $2::bigint - 1, 3600000) h
on conflict (hour_ms) do update
  set upto_ms = excluded.upto_ms where ledger_hour.upto_ms < excluded.upto_ms`,
};

/** Opens the hours of a period, which begins with an hour, in the ledger, up to its end. */
export async function rollupBegin(cold: Cold, period: Period): Promise<void> {
  await cold.durable(begin, [period.from_ms, period.to_ms]);
}

const page = {
  name: 'rollup-page',
  text: `
with p as materialized (
  select u.database_id, u.epoch, u.tenant, u.size, u.started_ms, u.dirty,
         coalesce(u.ended_ms, 9223372036854775807) as ended_ms
    from usage_interval u
   where (u.dirty or (u.started_ms < $2 and coalesce(u.ended_ms, 9223372036854775807) > $1))
     and (u.database_id, u.epoch) > ($3, $4::bigint)
   order by u.database_id, u.epoch
   limit $5
   for update
), t as materialized (
  select p.database_id, p.epoch, p.size, p.started_ms, p.ended_ms, p.dirty,
         coalesce(p.tenant, d.tenant) as tenant
    from p left join database d on d.id = p.database_id
), line as materialized (
  select t.database_id, t.epoch, t.tenant, t.size, h.hour_ms,
         least(t.ended_ms, h.upto_ms) - greatest(t.started_ms, h.hour_ms) as ms
    from t join ledger_hour h on h.hour_ms > t.started_ms - 3600000 and h.hour_ms < t.ended_ms
   where t.tenant is not null
     and least(t.ended_ms, h.upto_ms) > greatest(t.started_ms, h.hour_ms)
     and (t.dirty or (h.hour_ms >= $1 and h.hour_ms < $2))
), gone as (
  delete from ledger_line l using t
   where t.dirty and l.database_id = t.database_id and l.epoch = t.epoch
     and not exists (
       select from line n
        where n.database_id = l.database_id and n.epoch = l.epoch and n.hour_ms = l.hour_ms)
  returning l.tenant, l.hour_ms
), written as (
  insert into ledger_line (database_id, epoch, hour_ms, tenant, size, ms)
  select n.database_id, n.epoch, n.hour_ms, n.tenant, n.size, n.ms from line n
   order by n.database_id, n.epoch, n.hour_ms
  on conflict (database_id, epoch, hour_ms) do update
    set tenant = excluded.tenant, size = excluded.size, ms = excluded.ms
    where (ledger_line.tenant, ledger_line.size, ledger_line.ms)
      is distinct from (excluded.tenant, excluded.size, excluded.ms)
  returning tenant, hour_ms
), changed as (
  select * from gone union all select * from written
), late as (
  insert into ledger_late (tenant, month)
  select distinct c.tenant, m.month
    from changed c join billing_month m on c.hour_ms >= m.from_ms and c.hour_ms < m.to_ms
   order by 1, 2
  -- An update, not "do nothing": it waits for a close that is about to remove the mark.
  on conflict (tenant, month) do update set at = now()
), clean as (
  update usage_interval u set dirty = false from t
   where t.dirty and u.database_id = t.database_id and u.epoch = t.epoch and t.tenant is not null
)
select count(*) as intervals,
       (select count(*) from changed) as lines,
       max(t.database_id) as last_database,
       (array_agg(t.epoch order by t.database_id desc, t.epoch desc))[1] as last_epoch
  from t`,
};

export interface RolledPage {
  readonly intervals: number;
  /** Ledger lines written, changed or removed. */
  readonly lines: number;
  /** Undefined: there was nothing after the cursor. */
  readonly after: RollupCursor | undefined;
}

const shared = {
  name: 'rollup-shared',
  text: `select pg_advisory_xact_lock_shared(hashtextextended('pilotlight ledger', 0))`,
};

/**
 * One page in one transaction. A page that was lost with its answer is harmless when repeated.
 * @param period begins with an hour: a run that ended earlier in that hour counts as well.
 */
export async function rollupPage(
  cold: Cold,
  period: Period,
  after: RollupCursor,
  limit: number,
): Promise<RolledPage> {
  const values = [period.from_ms, period.to_ms, after.database_id, after.epoch, limit];
  const [row] = await cold.transaction(async (run) => {
    // Before the page's snapshot, so that a close begins either before or after the whole page.
    await run(shared, []);
    return run<{
      intervals: number;
      lines: number;
      last_database: string | null;
      last_epoch: number | null;
    }>(page, values);
  });
  if (row === undefined || row.last_database === null || row.last_epoch === null)
    return { intervals: 0, lines: 0, after: undefined };
  return {
    intervals: row.intervals,
    lines: row.lines,
    after: { database_id: row.last_database, epoch: row.last_epoch },
  };
}

const complete = {
  name: 'rollup-complete',
  text: `
update ledger_hour
   set complete_ms = greatest(complete_ms, least(hour_ms + 3600000, $2::bigint)), rolled_at = now()
 where hour_ms >= $1 and hour_ms < $2`,
};

/** Notes that every page of a period has been written. */
export async function rollupComplete(cold: Cold, period: Period): Promise<void> {
  await cold.durable(complete, [period.from_ms, period.to_ms]);
}

const missing = {
  name: 'rollup-missing',
  text: `
select min(h) as from_ms
  from generate_series($1::bigint, $2::bigint - 1, 3600000) h
  left join ledger_hour l on l.hour_ms = h
 where l.complete_ms is null or l.complete_ms < least(h + 3600000, $2::bigint)`,
};

/** @returns the first hour of the period that is not in the ledger up to its end; null: all are. */
export async function rollupMissing(cold: Cold, period: Period): Promise<number | null> {
  const rows = await cold.durable<{ from_ms: number | null }>(missing, [
    period.from_ms,
    period.to_ms,
  ]);
  return rows[0]?.from_ms ?? null;
}
