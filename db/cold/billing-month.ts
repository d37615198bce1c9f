/** Months of the ledger: when one began to be closed, and when it was. */
import type { Period } from '../../model/cold/billing.ts';
import type { Cold } from './pool.ts';

const find = {
  name: 'billing-month-find',
  text: `select closed_at is not null as closed from billing_month where month = $1`,
};

/** @returns undefined if nobody has begun to close it. */
export async function billingMonthFind(
  cold: Cold,
  month: string,
): Promise<{ readonly closed: boolean } | undefined> {
  const rows = await cold.durable<{ closed: boolean }>(find, [month]);
  return rows[0];
}

const alone = {
  name: 'billing-month-alone',
  text: `select pg_advisory_xact_lock(hashtextextended('pilotlight ledger', 0))`,
};
const begin = {
  name: 'billing-month-begin',
  text: `
insert into billing_month (month, from_ms, to_ms) values ($1, $2, $3)
on conflict (month) do nothing`,
};

/**
 * From here on a change of the month's ledger is late and is marked so. Waits for the pages of
 * rollups in flight, which can not know it yet.
 */
export async function billingMonthBegin(cold: Cold, month: string, period: Period): Promise<void> {
  await cold.transaction(async (run) => {
    await run(alone, []);
    await run(begin, [month, period.from_ms, period.to_ms]);
  });
}

const end = {
  name: 'billing-month-end',
  text: `update billing_month set closed_at = coalesce(closed_at, now()) where month = $1`,
};

export async function billingMonthEnd(cold: Cold, month: string): Promise<void> {
  await cold.durable(end, [month]);
}

const drained = {
  name: 'relay-drained',
  text: `
select coalesce((
  select floor(extract(epoch from drained_at) * 1000)::bigint
    from event_cursor order by updated_at desc limit 1), 0) as at_ms`,
};

/** When the relay last had every event that hot Postgres held, ms; 0: never. */
export async function relayDrained(cold: Cold): Promise<number> {
  const rows = await cold.durable<{ at_ms: number }>(drained, []);
  return rows[0]?.at_ms ?? 0;
}
