/** What an invoice is made of, read and written in one transaction per tenant. */
import type { Charged, Invoice, Period, Price, Usage } from '../../model/cold/billing.ts';
import type { Cold, Run } from './pool.ts';

const tenants = {
  name: 'invoice-tenants',
  text: `
select tenant from (
  (select distinct tenant from ledger_line
    where tenant > $4 and hour_ms >= $2 and hour_ms < $3 order by tenant limit $5)
  union
  (select distinct tenant from ledger_late where tenant > $4 and month < $1 order by tenant limit $5)
  union
  (select tenant from invoice
    where tenant > $4 and month = $1 and state = 'draft' order by tenant limit $5)) t
 order by tenant limit $5`,
};

/** A page of the tenants that may get an invoice for this month, by name. */
export async function invoiceTenants(
  cold: Cold,
  month: string,
  period: Period,
  after: string,
  limit: number,
): Promise<string[]> {
  const values = [month, period.from_ms, period.to_ms, after, limit];
  const rows = await cold.durable<{ tenant: string }>(tenants, values);
  return rows.map((row) => row.tenant);
}

const late = {
  name: 'invoice-late',
  text: `
select l.month, b.from_ms, b.to_ms from ledger_late l join billing_month b using (month)
 where l.tenant = $1 and l.month < $2
 order by l.month
   for update of l`,
};

export interface LateMonth extends Period {
  readonly month: string;
}

/** Closed months in which something of this tenant changed later. Locks the marks. */
export async function invoiceLate(run: Run, tenant: string, month: string): Promise<LateMonth[]> {
  return run<LateMonth>(late, [tenant, month]);
}

const usage = {
  name: 'invoice-usage',
  text: `
select m.month, l.database_id as database, l.size, sum(l.ms)::bigint as ms
  from jsonb_to_recordset($2::jsonb) as m(month text, from_ms bigint, to_ms bigint)
  join ledger_line l on l.tenant = $1 and l.hour_ms >= m.from_ms and l.hour_ms < m.to_ms
 group by 1, 2, 3`,
};

export async function invoiceUsage(
  run: Run,
  tenant: string,
  months: readonly LateMonth[],
): Promise<Usage[]> {
  return run<Usage>(usage, [tenant, JSON.stringify(months)]);
}

const charged = {
  name: 'invoice-charged',
  text: `
select for_month as month, database_id as database, size, sum(ms)::bigint as ms,
       sum(amount_micro)::bigint as amount_micro
  from invoice_line where tenant = $1 and for_month = any ($2)
 group by 1, 2, 3`,
};

/** What all issued invoices of this tenant have charged for these months. */
export async function invoiceCharged(
  run: Run,
  tenant: string,
  months: readonly string[],
): Promise<Charged[]> {
  return run<Charged>(charged, [tenant, months]);
}

const prices = { name: 'price-list', text: `select size, from_month, micro_per_hour from price` };

export async function priceList(run: Run): Promise<Price[]> {
  return run<Price>(prices, []);
}

const settle = {
  name: 'invoice-settle',
  text: `delete from ledger_late where tenant = $1 and month = any ($2)`,
};

/** These months are settled with an issued invoice. */
export async function invoiceSettle(
  run: Run,
  tenant: string,
  months: readonly string[],
): Promise<void> {
  await run(settle, [tenant, months]);
}

const lines = {
  name: 'invoice-lines',
  text: `
insert into invoice_line (tenant, month, for_month, database_id, size, ms, micro_per_hour, amount_micro)
select $1, $2, l.month, l.database, l.size, l.ms, l.micro_per_hour, l.amount_micro
  from jsonb_to_recordset($3::jsonb) as l(
    month text, database text, size text, ms bigint, micro_per_hour bigint, amount_micro bigint)`,
};

/** The lines of an invoice that has just been issued. */
export async function invoiceLines(run: Run, invoice: Invoice): Promise<void> {
  const own = invoice.lines.map((line) => ({ ...line, month: invoice.month }));
  const all = JSON.stringify([...own, ...invoice.adjustments]);
  await run(lines, [invoice.tenant, invoice.month, all]);
}
