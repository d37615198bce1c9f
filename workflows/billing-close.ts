/**
 * Closes a month: waits until the relay has its events, completes its ledger, and writes an invoice
 * per tenant. A draft does the same for the month so far and closes nothing. What becomes known
 * later is an adjustment of the tenant's next invoice.
 */
import type { CloseMonth } from '../activities/billing.ts';
import {
  monthBefore,
  type CloseBegun,
  type CloseInput,
  type CloseResult,
} from '../model/cold/billing.ts';
import { badInput, pages, rollUp, scheduledTime, short } from './billing-rollup.ts';
import { useOperator, type Operator } from './operator.ts';

const RELAY_LOOK_MS = 30_000;

function monthOfInput({ month }: CloseInput): string {
  if (month !== undefined) return month;
  const scheduled = scheduledTime();
  if (scheduled === undefined) throw badInput('month is needed where no schedule starts it');
  return monthBefore(scheduled.getTime());
}

/** Looks until the relay is through with the month. @returns undefined if it was aborted. */
async function look(
  operator: Operator,
  close: CloseMonth,
  everyMs: number,
): Promise<CloseBegun | undefined> {
  for (;;) {
    if ((await operator.checkpoint()) === 'aborted') return undefined;
    const begun = await short.closeLook.executeWithOptions({ summary: close.month }, [close]);
    if (begun.relayed || begun.closed) return begun;
    operator.phase('waiting for the relay');
    if ((await operator.wait(everyMs, 'until the relay has caught up')) === 'aborted')
      return undefined;
  }
}

/** @returns how many invoices there are; undefined if it was aborted. */
async function writeInvoices(operator: Operator, close: CloseMonth): Promise<number | undefined> {
  operator.phase('invoices');
  operator.count({ done: 0 });
  let after = '';
  for (;;) {
    if ((await operator.checkpoint()) === 'aborted') return undefined;
    const from = after;
    const page = await operator.interruptible(() => {
      const summary = from === '' ? 'from the first tenant' : `after ${from}`;
      return pages.closePages.executeWithOptions({ summary }, [close, from]);
    });
    if (page === 'interrupted') continue;
    operator.count({ done: operator.progress().done + page.invoices });
    if (page.after === null) return operator.progress().done;
    after = page.after;
  }
}

type Closed = Omit<CloseResult, 'month'>;
const ABORTED: Closed = { outcome: 'aborted', invoices: 0 };

async function closeMonth(operator: Operator, close: CloseMonth, everyMs: number): Promise<Closed> {
  const begun = await look(operator, close, everyMs);
  if (begun === undefined) return ABORTED;
  if (begun.closed) return { outcome: 'closed_before', invoices: 0 };
  if (begun.roll_from_ms !== null) {
    operator.phase('rollup');
    const missing = { from_ms: begun.roll_from_ms, to_ms: begun.to_ms };
    if ((await rollUp(operator, missing)) === undefined) return ABORTED;
  }
  if (!close.draft)
    await short.closeOpen.executeWithOptions({ summary: close.month }, [close.month]);
  const invoices = await writeInvoices(operator, close);
  if (invoices === undefined) return ABORTED;
  if (!close.draft)
    await short.closeDone.executeWithOptions({ summary: close.month }, [close.month]);
  return { outcome: 'done', invoices };
}

export async function billingClose(input: CloseInput = {}): Promise<CloseResult> {
  const close = { month: monthOfInput(input), draft: input.draft ?? false };
  const operator = useOperator({
    phase: 'look',
    concurrency: 1,
    concurrencyMax: 1,
    attributes: { FleetRunId: close.month, FleetInitiator: input.initiator ?? 'schedule' },
  });
  const closed = await closeMonth(operator, close, input.relay_look_ms ?? RELAY_LOOK_MS);
  operator.phase(closed.outcome);
  await operator.settled();
  return { month: close.month, ...closed };
}
