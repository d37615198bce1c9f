/**
 * The loop of every workflow that works a run off page by page: until nothing is left, as an
 * operator lets it, and not beyond the failures that are allowed: then it pauses itself.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  defineUpdate,
  isCancellation,
  setHandler,
  workflowInfo,
  type RetryPolicy,
} from '@temporalio/workflow';
import { RETRY_FAILED, type Page, type Paged } from '../model/cold/items.ts';
import { wrongActor, type ResumeInput } from '../model/cold/operator.ts';
import type { Operator } from './operator.ts';

/** What can not be helped by trying again; everything that an activity throws is typed so. */
const NON_RETRYABLE = ['bad_request', 'unauthenticated', 'forbidden', 'database_not_found'];

/** Without an end: while cold Postgres or the hot path is away, management waits. */
export const RETRY: RetryPolicy = {
  initialInterval: '1 second',
  maximumInterval: '30 seconds',
  nonRetryableErrorTypes: NON_RETRYABLE,
};

/** Of an activity that is a few statements. */
export const SHORT = { startToCloseTimeout: '1 minute', retry: RETRY } as const;

/** Of a page: it begins nothing new after minutes, but what it has begun may take long. */
export const PAGE = {
  startToCloseTimeout: '3 hours',
  heartbeatTimeout: '12 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { ...RETRY, maximumInterval: '10 seconds' },
} as const;

export const badInput = (field: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`the input is wrong: ${field}`, 'bad_request');

/** Between two looks at items that are put off: not a history full of them, and not too late. */
const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 30_000;

/** How many failures there may be, and how many an operator has accepted by a resume. */
export interface Tolerance {
  readonly allowed: number;
  forgiven: number;
}

export interface PagesOptions {
  readonly operator: Operator;
  readonly tolerance: Tolerance;
  readonly page: (page: Pick<Page, 'limit' | 'concurrency' | 'failures_left'>) => Promise<Paged>;
  /** At most so many items in the next page, by how the run stands; 0 = it is enough. */
  readonly limit: (paged: Paged | undefined) => number;
}

/** `continue`: the history has become long, and the run is to go on as a new one. */
export type PagesEnd = 'done' | 'aborted' | 'continue';

/** A page that failed for good: somebody has to look, and the run stays where it is. */
async function workPage(options: PagesOptions, limit: number): Promise<Paged | undefined> {
  const { operator, tolerance } = options;
  const failures_left = Math.max(
    0,
    tolerance.allowed + tolerance.forgiven - operator.progress().failed,
  );
  const page = { limit, concurrency: operator.concurrency(), failures_left };
  try {
    const paged = await operator.interruptible(() => options.page(page));
    return paged === 'interrupted' ? undefined : paged;
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    const why = error.cause?.message ?? 'it failed';
    operator.pause(`a page could not be worked off: ${why}`);
    return undefined;
  }
}

/** Pauses if there are too many. What an operator resumes after is accepted. */
async function heedFailures({ operator, tolerance }: PagesOptions): Promise<void> {
  const { failed } = operator.progress();
  if (failed <= tolerance.allowed + tolerance.forgiven) return;
  operator.pause(`${failed} failed, and ${tolerance.allowed} are allowed`);
  await operator.checkpoint();
  tolerance.forgiven = operator.progress().failed;
}

export async function workPages(options: PagesOptions): Promise<PagesEnd> {
  const { operator } = options;
  let paged: Paged | undefined;
  for (;;) {
    if ((await operator.checkpoint()) === 'aborted') return 'aborted';
    const limit = options.limit(paged);
    if (limit <= 0 || paged?.left === 0) return 'done';
    if (workflowInfo().continueAsNewSuggested) return 'continue';
    const answer = await workPage(options, limit);
    if (answer === undefined) continue;
    paged = answer;
    operator.count({ done: paged.done + paged.skipped, total: paged.total, failed: paged.failed });
    await heedFailures(options);
    if (paged.begun === 0 && paged.left > 0) {
      const ms = Math.min(Math.max(paged.due_in_ms, WAIT_MS_MIN), WAIT_MS_MAX);
      await operator.wait(ms, `until one of ${paged.left} can be had`);
    }
  }
}

const retryFailedUpdate = defineUpdate<number, [ResumeInput]>(RETRY_FAILED);

/**
 * Registers the Update `retryFailed`.
 * @param retry puts what failed back in line, and says how many those were.
 * @returns asks whether that has happened since it was asked last.
 */
export function useRetryFailed(operator: Operator, retry: () => Promise<number>): () => boolean {
  let retried = false;
  setHandler(
    retryFailedUpdate,
    async () => {
      const count = await retry();
      operator.count({ failed: Math.max(0, operator.progress().failed - count) });
      retried ||= count > 0;
      return count;
    },
    {
      validator(input) {
        const wrong = wrongActor(input);
        if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'bad_request');
      },
    },
  );
  return () => {
    const was = retried;
    retried = false;
    return was;
  };
}
