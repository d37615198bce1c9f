import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createBillingActivities } from '../../../activities/billing.ts';
import { invoiceFind } from '../../../db/cold/invoice-store.ts';
import { HOUR_MS, type Invoice } from '../../../model/cold/billing.ts';
import { ask } from '../../support/cold.ts';
import { createLedger, perform, type Ledger } from '../../support/ledger.ts';

const NOVEMBER = Date.UTC(2026, 10, 1);
const DECEMBER = Date.UTC(2026, 11, 1);
const MINUTE = 60_000;

let stage: Ledger;
let now = 0;
beforeAll(async () => {
  stage = await createLedger();
});
afterAll(() => stage.end());
beforeEach(async () => {
  now = DECEMBER + HOUR_MS;
  await stage.clear();
});

const billing = () =>
  createBillingActivities({
    cold: stage.cold,
    draining: new AbortController().signal,
    now: () => now,
  });

async function close(month: string, draft = false): Promise<number> {
  const activities = billing();
  const begun = await perform(activities.closeLook, { month, draft });
  if (begun.roll_from_ms !== null) await stage.roll({ ...begun, from_ms: begun.roll_from_ms });
  if (!draft) await perform(activities.closeOpen, month);
  const { invoices } = await perform(activities.closePages, { month, draft }, '');
  if (!draft) await perform(activities.closeDone, month);
  return invoices;
}
const invoice = async (tenant: string, month: string): Promise<Invoice> =>
  JSON.parse((await invoiceFind(stage.cold.durable, tenant, month))?.body ?? 'null') as Invoice;

describe('a close', () => {
  const DAY = 24 * HOUR_MS;

  test('writes an invoice per tenant from runs over the edges of the month', async () => {
    await stage.ran('db-a', 1, NOVEMBER - HOUR_MS, NOVEMBER + HOUR_MS);
    await stage.ran('db-a', 2, DECEMBER - 90 * MINUTE, null);
    await stage.ran('db-b', 1, NOVEMBER + DAY, NOVEMBER + DAY + 1, 'zeta');
    expect(await close('2026-11')).toBe(2);
    const acme = await invoice('acme', '2026-11');
    expect(acme).toMatchObject({ state: 'issued', total_ms: 150 * MINUTE, total_micro: 40_000 });
    expect(acme.lines).toEqual([
      {
        database: 'db-a',
        size: 'small',
        ms: 150 * MINUTE,
        micro_per_hour: 16_000,
        amount_micro: 40_000,
      },
    ]);
    expect(await invoice('zeta', '2026-11')).toMatchObject({ total_ms: 1, total_micro: 0 });
  });

  test('when repeated leaves the same bytes, and so does a draft that is written again', async () => {
    await stage.ran('db-a', 1, NOVEMBER, NOVEMBER + 1234567);
    await close('2026-11', true);
    const draft = await invoiceFind(stage.cold.durable, 'acme', '2026-11');
    await close('2026-11', true);
    expect(await invoiceFind(stage.cold.durable, 'acme', '2026-11')).toEqual(draft);
    await close('2026-11');
    const issued = await invoiceFind(stage.cold.durable, 'acme', '2026-11');
    expect(issued?.body).toBe(draft?.body.replace('"draft"', '"issued"'));
    await ask(stage.cold, 'update billing_month set closed_at = null');
    await stage.ran('db-a', 2, NOVEMBER + DAY, NOVEMBER + 2 * DAY);
    await close('2026-11');
    expect(await invoiceFind(stage.cold.durable, 'acme', '2026-11')).toEqual(issued);
  });

  test('an issued invoice can not be changed or removed, not even by hand', async () => {
    await stage.ran('db-a', 1, NOVEMBER, NOVEMBER + MINUTE);
    await close('2026-11');
    for (const text of [`update invoice set body = ''`, 'delete from invoice'])
      await expect(stage.byHand(text)).rejects.toThrow('an issued invoice does not change');
  });

  test('what comes after it is an adjustment of the next one, once', async () => {
    const october = Date.UTC(2026, 9, 10);
    await stage.ran('db-a', 1, october, october + DAY);
    await stage.ran('db-b', 1, october, null);
    await stage.ran('db-b', 2, october + 2 * DAY, october + 3 * DAY);
    await close('2026-10');
    const before = await invoiceFind(stage.cold.durable, 'acme', '2026-10');
    expect(JSON.parse(before?.body ?? '')).toMatchObject({ total_ms: 4 * DAY });
    // The end of db-b's first run was lost until now; db-c was not heard of at all.
    await stage.ran('db-b', 1, october, october + HOUR_MS);
    await stage.ran('db-c', 1, october, october + HOUR_MS);
    await stage.ran('db-a', 2, NOVEMBER, NOVEMBER + HOUR_MS);
    await stage.roll({ from_ms: NOVEMBER, to_ms: NOVEMBER + HOUR_MS });
    expect(await close('2026-11', true)).toBe(1);
    expect(await close('2026-11')).toBe(1);
    expect(await invoiceFind(stage.cold.durable, 'acme', '2026-10')).toEqual(before);
    const next = await invoice('acme', '2026-11');
    expect(next.adjustments.map((a) => [a.month, a.database, a.ms, a.amount_micro])).toEqual([
      ['2026-10', 'db-b', -47 * HOUR_MS, -47 * 16_000],
      ['2026-10', 'db-c', HOUR_MS, 16_000],
    ]);
    expect(next.total_micro).toBe(-45 * 16_000);
    expect(await ask(stage.cold, 'select * from ledger_late')).toEqual([]);
    now = Date.UTC(2027, 0, 1);
    expect(await close('2026-12')).toBe(0);
    expect(await invoice('acme', '2026-12')).toBeNull();
  });

  test('a close that goes on after an abort leaves for the next one what came late meanwhile', async () => {
    const october = Date.UTC(2026, 9, 10);
    await stage.ran('db-a', 1, october, october + HOUR_MS);
    await close('2026-10');
    await stage.ran('db-a', 2, NOVEMBER, NOVEMBER + HOUR_MS);
    await close('2026-11');
    await ask(stage.cold, `update billing_month set closed_at = null where month = '2026-11'`);
    await stage.ran('db-b', 1, october, october + HOUR_MS);
    await stage.roll({ from_ms: NOVEMBER, to_ms: NOVEMBER + HOUR_MS });
    expect(await close('2026-11')).toBe(1);
    now = Date.UTC(2027, 0, 1);
    await close('2026-12');
    expect((await invoice('acme', '2026-12')).adjustments).toMatchObject([
      { month: '2026-10', database: 'db-b', ms: HOUR_MS },
    ]);
  });

  test('a change while the month is being closed is not lost', async () => {
    await stage.ran('db-a', 1, NOVEMBER, NOVEMBER + HOUR_MS);
    const activities = billing();
    await close('2026-11', true);
    await perform(activities.closeOpen, '2026-11');
    await perform(activities.closePages, { month: '2026-11', draft: false }, '');
    await stage.ran('db-a', 2, NOVEMBER + DAY, NOVEMBER + DAY + HOUR_MS);
    await stage.roll({ from_ms: NOVEMBER, to_ms: NOVEMBER + HOUR_MS });
    await perform(activities.closeDone, '2026-11');
    now = Date.UTC(2027, 0, 1);
    await close('2026-12');
    expect((await invoice('acme', '2026-12')).adjustments).toMatchObject([
      { month: '2026-11', database: 'db-a', ms: HOUR_MS },
    ]);
  });

  test('two at once issue each invoice once', async () => {
    for (let i = 0; i < 5; i++)
      await stage.ran(`db-${i}`, 1, NOVEMBER, NOVEMBER + HOUR_MS, `tenant-${i}`);
    await close('2026-11', true);
    const activities = billing();
    await perform(activities.closeOpen, '2026-11');
    const month = { month: '2026-11', draft: false };
    await Promise.all([
      perform(activities.closePages, month, ''),
      perform(activities.closePages, month, ''),
    ]);
    expect(
      await ask(stage.cold, 'select count(*) as n, sum(ms)::bigint as ms from invoice_line'),
    ).toEqual([{ n: 5, ms: 5 * HOUR_MS }]);
  });

  test('is refused before the month is over, and for what is no month', async () => {
    now = DECEMBER - 1;
    const look = (month: string, draft = false) => perform(billing().closeLook, { month, draft });
    await expect(look('2026-11')).rejects.toMatchObject({ code: 'bad_request' });
    await expect(look('2026-12', true)).rejects.toMatchObject({ code: 'bad_request' });
    await expect(look('november')).rejects.toMatchObject({ code: 'bad_request' });
    expect(await look('2026-11', true)).toMatchObject({ to_ms: now, relayed: true });
  });

  test('waits for the relay to be through with the month', async () => {
    const look = () => perform(billing().closeLook, { month: '2026-11', draft: false });
    expect(await look()).toMatchObject({ relayed: false, closed: false });
    await ask(
      stage.cold,
      `insert into event_cursor (generation, hot_id, events, drained_at)
       values (gen_random_uuid(), 1, 1, to_timestamp($1::bigint / 1000.0))`,
      [DECEMBER],
    );
    expect(await look()).toMatchObject({ relayed: true });
  });
});
