/**
 * Rolls usage up into the ledger, hour by hour: an hour by the schedule, or any period by its input.
 * A repetition writes the same; what changed after its hours were rolled up is brought along.
 */
import {
  ApplicationFailure,
  proxyActivities,
  workflowInfo,
  type RetryPolicy,
} from '@temporalio/workflow';
import type { BillingActivities } from '../activities/billing.ts';
import {
  hourBefore,
  type Period,
  type RollupCursor,
  type RollupInput,
  type RollupResult,
} from '../model/cold/billing.ts';
import { useOperator, type Operator } from './operator.ts';

const RETRY: RetryPolicy = {
  initialInterval: '1 second',
  maximumInterval: '30 seconds',
  nonRetryableErrorTypes: ['bad_request'],
};

/** Activities of both billing workflows that are one statement or two. */
export const short = proxyActivities<BillingActivities>({
  startToCloseTimeout: '1 minute',
  retry: RETRY,
});

/** And those that go by pages: an operator's pause or abort ends them between two. */
export const pages = proxyActivities<BillingActivities>({
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '20 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: RETRY,
});

/** The time for which a schedule started this run; of a run that was started by hand, undefined. */
export function scheduledTime(): Date | undefined {
  return workflowInfo().typedSearchAttributes.get({
    name: 'TemporalScheduledStartTime',
    type: 'DATETIME',
  });
}

export const badInput = (what: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`the input is wrong: ${what}`, 'bad_request');

function periodOf({ from_ms, to_ms }: RollupInput): Period {
  if (from_ms !== undefined && to_ms !== undefined) return { from_ms, to_ms };
  const scheduled = scheduledTime();
  if (from_ms !== undefined || to_ms !== undefined || scheduled === undefined)
    throw badInput('from_ms and to_ms are needed where no schedule starts it');
  return hourBefore(scheduled.getTime());
}

/** ISO 8601; of a number that is no time, the number. */
const shown = (ms: number): string =>
  Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);

const rollPages = (operator: Operator, period: Period, from: RollupCursor | null) =>
  operator.interruptible(() => {
    const summary = from === null ? 'from the first database' : `after ${from.database_id}`;
    return pages.rollupPages.executeWithOptions({ summary }, [period, from]);
  });

/**
 * Opens, rolls and completes a period; counts intervals as `done`.
 * @returns undefined if it was aborted; what is written stays, and is right as far as it goes.
 */
export async function rollUp(
  operator: Operator,
  asked: Period,
): Promise<{ readonly lines: number } | undefined> {
  if ((await operator.checkpoint()) === 'aborted') return undefined;
  const summary = `${shown(asked.from_ms)} to ${shown(asked.to_ms)}`;
  const period = await short.rollupOpen.executeWithOptions({ summary }, [asked]);
  let from: RollupCursor | null = null;
  let lines = 0;
  for (;;) {
    if ((await operator.checkpoint()) === 'aborted') return undefined;
    const page = await rollPages(operator, period, from);
    if (page === 'interrupted') continue;
    lines += page.lines;
    operator.count({ done: operator.progress().done + page.intervals });
    if (page.after === null) break;
    from = page.after;
  }
  await short.rollupDone.executeWithOptions({ summary }, [period]);
  return { lines };
}

export async function billingRollup(input: RollupInput = {}): Promise<RollupResult> {
  const period = periodOf(input);
  const operator = useOperator({
    phase: 'rollup',
    concurrency: 1,
    concurrencyMax: 1,
    attributes: {
      FleetRunId: shown(period.from_ms),
      FleetInitiator: input.initiator ?? 'schedule',
    },
  });
  const rolled = await rollUp(operator, period);
  const outcome = rolled === undefined ? 'aborted' : 'done';
  operator.phase(outcome);
  await operator.settled();
  return { ...period, outcome, intervals: operator.progress().done, lines: rolled?.lines ?? 0 };
}
