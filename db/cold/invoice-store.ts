/** The invoices themselves, byte for byte. An issued one never changes (a trigger holds that too). */
import type { Invoice } from '../../model/cold/billing.ts';
import type { Run } from './pool.ts';

const find = {
  name: 'invoice-find',
  text: `select state, body, sha256 from invoice where tenant = $1 and month = $2`,
};

export interface StoredInvoice {
  readonly state: 'draft' | 'issued';
  readonly body: string;
  readonly sha256: string;
}

export async function invoiceFind(
  run: Run,
  tenant: string,
  month: string,
): Promise<StoredInvoice | undefined> {
  const rows = await run<StoredInvoice>(find, [tenant, month]);
  return rows[0];
}

const put = {
  name: 'invoice-put',
  text: `
insert into invoice (tenant, month, state, body, sha256, total_micro)
values ($1, $2, $3, $4, encode(sha256(convert_to($4, 'UTF8')), 'hex'), $5)
on conflict (tenant, month) do update
  set state = excluded.state, body = excluded.body, sha256 = excluded.sha256,
      total_micro = excluded.total_micro, written_at = now()
  where invoice.state = 'draft'
returning 1`,
};

/** Writes it, or takes a draft's place. @returns false if one has been issued meanwhile. */
export async function invoicePut(run: Run, invoice: Invoice, body: string): Promise<boolean> {
  const { tenant, month, state, total_micro } = invoice;
  const rows = await run(put, [tenant, month, state, body, total_micro]);
  return rows.length > 0;
}
