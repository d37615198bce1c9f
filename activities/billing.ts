/** Activities of billingRollup and billingClose. Every one may be repeated: what it writes is computed anew. */
import { Context } from '@temporalio/activity';
import {
  billingMonthBegin,
  billingMonthEnd,
  billingMonthFind,
  relayDrained,
} from '../db/cold/billing-month.ts';
import {
  invoiceCharged,
  invoiceLate,
  invoiceLines,
  invoiceSettle,
  invoiceTenants,
  invoiceUsage,
  priceList,
} from '../db/cold/invoice-parts.ts';
import { invoiceFind, invoicePut } from '../db/cold/invoice-store.ts';
import type { Cold, Run } from '../db/cold/pool.ts';
import { rollupBegin, rollupComplete, rollupMissing, rollupPage } from '../db/cold/rollup.ts';
import {
  HOUR_MS,
  invoiceOf,
  invoiceText,
  monthPeriod,
  wrongPeriod,
  type CloseBegun,
  type ClosePages,
  type Period,
  type RollupCursor,
  type RollupPages,
} from '../model/cold/billing.ts';
import { AppError } from '../model/errors.ts';

export interface BillingActivitiesDeps {
  readonly cold: Cold;
  readonly draining: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Input of activity `closePages` and of the others about a month. */
export interface CloseMonth {
  readonly month: string;
  readonly draft: boolean;
}

/** Usage intervals in one transaction: tens of milliseconds of work. */
const INTERVALS_PER_PAGE = 500;
/** Pages of one activity: it ends within a minute or two, so that operators are heard by the workflow. */
const PAGES_MAX = 50;
const TENANTS_PER_PAGE = 50;
const START: RollupCursor = { database_id: '', epoch: 0 };

const floorToHour = (period: Period): Period => ({
  from_ms: Math.floor(period.from_ms / HOUR_MS) * HOUR_MS,
  to_ms: period.to_ms,
});

function periodOfMonth(month: string): Period {
  const period = monthPeriod(month);
  if (period === undefined) throw new AppError('bad_request', { detail: 'month must be yyyy-mm' });
  return period;
}

/** Writes a tenant's invoice in one transaction. @returns whether there is one now. */
async function closeTenant(run: Run, tenant: string, close: CloseMonth): Promise<boolean> {
  const { month, draft } = close;
  const before = await invoiceFind(run, tenant, month);
  if (before?.state === 'issued') return true;
  const late = await invoiceLate(run, tenant, month);
  const months = late.map((row) => row.month);
  const invoice = invoiceOf({
    tenant,
    month,
    state: draft ? 'draft' : 'issued',
    usage: await invoiceUsage(run, tenant, [...late, { month, ...periodOfMonth(month) }]),
    charged: await invoiceCharged(run, tenant, months),
    prices: await priceList(run),
  });
  const empty = invoice.lines.length === 0 && invoice.adjustments.length === 0;
  const wanted = before !== undefined || !empty;
  const written = wanted && (await invoicePut(run, invoice, invoiceText(invoice)));
  // Not written although wanted: another close was faster by a moment, and settled what it saw.
  if (draft || (wanted && !written)) return wanted;
  if (written) await invoiceLines(run, invoice);
  await invoiceSettle(run, tenant, months);
  return written;
}

/** Asked between pages: the activity then answers how far it is. */
const isOver = (draining: AbortSignal): boolean =>
  draining.aborted || Context.current().cancellationSignal.aborted;

/** Where the last attempt was, if this one is not the first. */
const resumed = <T>(from: T): T =>
  (Context.current().info.heartbeatDetails as T | undefined) ?? from;

function createRollupActivities({ cold, draining, now }: BillingActivitiesDeps) {
  return {
    /** Opens the hours of a period in the ledger. @returns the period from its first whole hour. */
    async rollupOpen(asked: Period): Promise<Period> {
      const wrong = wrongPeriod(asked, now());
      if (wrong !== undefined) throw new AppError('bad_request', { detail: wrong });
      const period = floorToHour(asked);
      await rollupBegin(cold, period);
      return period;
    },

    /** Pages of the rollup of an opened period, after a cursor (null: from the start). */
    async rollupPages(period: Period, from: RollupCursor | null): Promise<RollupPages> {
      let at: RollupPages = resumed({ after: from ?? START, intervals: 0, lines: 0 });
      for (let pages = 0; pages < PAGES_MAX && !isOver(draining); pages++) {
        const page = await rollupPage(cold, period, at.after ?? START, INTERVALS_PER_PAGE);
        at = {
          after: page.after ?? null,
          intervals: at.intervals + page.intervals,
          lines: at.lines + page.lines,
        };
        if (at.after === null) return at;
        Context.current().heartbeat(at);
      }
      return at;
    },

    /** Every page of the period has been written. */
    async rollupDone(period: Period): Promise<void> {
      await rollupComplete(cold, period);
    },
  };
}

function createCloseActivities({ cold, draining, now }: BillingActivitiesDeps) {
  return {
    /**
     * Looks whether the month can be closed. A draft takes what there is by now.
     * @throws AppError `bad_request` if it is no month, or not over.
     */
    async closeLook({ month, draft }: CloseMonth): Promise<CloseBegun> {
      const period = periodOfMonth(month);
      const found = await billingMonthFind(cold, month);
      const at = now();
      if (at <= period.from_ms || (!draft && at < period.to_ms))
        throw new AppError('bad_request', { detail: `the month ${month} is not over` });
      const until = { from_ms: period.from_ms, to_ms: Math.min(period.to_ms, at) };
      return {
        ...until,
        closed: found?.closed ?? false,
        relayed: draft || (await relayDrained(cold)) >= period.to_ms,
        roll_from_ms: await rollupMissing(cold, until),
      };
    },

    /** From here on a change of the month is late. Not to be called for a draft. */
    async closeOpen(month: string): Promise<void> {
      await billingMonthBegin(cold, month, periodOfMonth(month));
    },

    /** Writes invoices, tenant by tenant, after a name ('' = from the start). */
    async closePages(close: CloseMonth, from: string): Promise<ClosePages> {
      const period = periodOfMonth(close.month);
      let at = resumed({ after: from, invoices: 0 });
      for (let pages = 0; pages < PAGES_MAX; pages++) {
        const tenants = await invoiceTenants(cold, close.month, period, at.after, TENANTS_PER_PAGE);
        for (const tenant of tenants) {
          if (isOver(draining)) return at;
          const written = await cold.transaction((run) => closeTenant(run, tenant, close));
          at = { after: tenant, invoices: at.invoices + (written ? 1 : 0) };
          Context.current().heartbeat(at);
        }
        if (tenants.length < TENANTS_PER_PAGE) return { after: null, invoices: at.invoices };
      }
      return at;
    },

    /** Every tenant has its invoice. */
    async closeDone(month: string): Promise<void> {
      await billingMonthEnd(cold, month);
    },
  };
}

export const createBillingActivities = (deps: BillingActivitiesDeps) => ({
  ...createRollupActivities(deps),
  ...createCloseActivities(deps),
});

export type BillingActivities = ReturnType<typeof createBillingActivities>;
