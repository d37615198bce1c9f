/**
 * Works off a page of a run's items: claims them, does something to each under its hold, and writes
 * down what came of it. A page whose worker died is claimed again by the next attempt; whatever is
 * done to an item must therefore bear being done twice.
 */
import { Context } from '@temporalio/activity';
import { holdRelease, holdRenew } from '../db/cold/hold-keep.ts';
import { holdTake } from '../db/cold/hold-take.ts';
import type { Cold } from '../db/cold/pool.ts';
import { runCounts } from '../db/cold/run-counts.ts';
import { runItemClaim, type ClaimedItem } from '../db/cold/run-item-claim.ts';
import { runItemDefer, runItemEnd } from '../db/cold/run-item-end.ts';
import type { Logger } from '../lib/log.ts';
import { deferMs, type Page, type Paged } from '../model/cold/items.ts';
import { AppError, ERRORS, codeOf, type ErrorCode } from '../model/errors.ts';

export interface ItemsDeps {
  readonly cold: Cold;
  readonly log: Logger;
  readonly draining: AbortSignal;
}

/** What came of an item. */
export type ItemOutcome =
  | { readonly state: 'done'; readonly result: Readonly<Record<string, string | number | boolean>> }
  | { readonly state: 'failed'; readonly error: ErrorCode; readonly detail?: string }
  /** Written down by the work itself, together with what else it wrote. */
  | { readonly state: 'ended' };

export interface Item {
  readonly database: string;
  /** From 1. Above it, an earlier attempt may have done any part of the work. */
  readonly attempt: number;
  /** Aborted when the hold was lost: somebody else may be at it. */
  readonly signal: AbortSignal;
}

export interface Work {
  /** The workflow's type. */
  readonly verb: string;
  /**
   * May be repeated. What it throws decides by its code: one that can be helped by asking again
   * defers the item, a database that is not to be had is skipped, everything else has failed.
   */
  readonly item: (item: Item) => Promise<ItemOutcome>;
}

/** A hold that is not renewed is anyone's after this. */
const HOLD_MS = 60_000;
const HOLD_RENEW_MS = 15_000;
const HEARTBEAT_MS = 3_000;
/** No item is begun later than this, so that a page ends while an operator waits for it. */
const PAGE_MS_MAX = 5 * 60_000;

const SKIPPED: ReadonlySet<ErrorCode> = new Set([
  'database_deleted',
  'database_not_found',
  'broken',
]);

/** A page under way. */
interface Working {
  readonly deps: ItemsDeps;
  readonly page: Page;
  readonly work: Work;
  readonly inFlight: Map<string, AbortController>;
  begun: number;
  failed: number;
}

/** Writes down what an error means for its item: skipped, put off, or failed. */
async function settle(
  working: Working,
  claimed: ClaimedItem,
  code: ErrorCode,
  detail?: string,
): Promise<void> {
  const { cold } = working.deps;
  const { run, retry_ms } = working.page;
  const item = { run, ...claimed };
  const afterMs = deferMs(retry_ms, claimed.attempt);
  const text = detail === undefined ? {} : { detail };
  if (SKIPPED.has(code)) await runItemEnd(cold, { ...item, state: 'skipped', error: code });
  else if (ERRORS[code].retryable) await runItemDefer(cold, { ...item, error: code, afterMs });
  else {
    working.failed += 1;
    await runItemEnd(cold, { ...item, state: 'failed', error: code, ...text });
  }
}

async function workHeld(working: Working, claimed: ClaimedItem, signal: AbortSignal) {
  const { cold, log } = working.deps;
  const { run } = working.page;
  const { item: database, attempt } = claimed;
  try {
    const outcome = await working.work.item({ database, attempt, signal });
    if (outcome.state === 'failed') await settle(working, claimed, outcome.error, outcome.detail);
    if (outcome.state === 'done')
      await runItemEnd(cold, { run, ...claimed, state: 'done', result: outcome.result });
  } catch (error) {
    // What is lost was another's by then, and its word counts.
    const code = signal.aborted ? 'held' : codeOf(error);
    if (code === 'internal') log.error({ err: error, run, database }, 'BUG');
    await settle(working, claimed, code, error instanceof AppError ? error.detail : undefined);
  }
}

async function workOne(working: Working, claimed: ClaimedItem): Promise<void> {
  const { deps, page, work, inFlight } = working;
  const { item: database } = claimed;
  const owner = page.run;
  const taken = await holdTake(deps.cold, { database, owner, kind: work.verb, forMs: HOLD_MS });
  if (!taken.taken) return settle(working, claimed, 'held');
  const lost = new AbortController();
  inFlight.set(database, lost);
  try {
    await workHeld(working, claimed, lost.signal);
  } finally {
    inFlight.delete(database);
    await holdRelease(deps.cold, database, owner);
  }
}

/** Renews the holds of what is in flight; what could not be renewed in time is given up. */
async function renewHolds({ deps, page, inFlight }: Working): Promise<void> {
  const held = [...inFlight.keys()];
  if (held.length === 0) return;
  const kept = new Set(await holdRenew(deps.cold, held, page.run, HOLD_MS));
  for (const database of held) if (!kept.has(database)) inFlight.get(database)?.abort();
}

/** Claims a page and works it off in lanes. All of them come to their end, whatever one throws. */
async function workLanes(working: Working, isOver: () => boolean): Promise<void> {
  const { deps, page } = working;
  const claims = (await runItemClaim(deps.cold, page.run, page.run, page.limit)).values();
  async function lane(): Promise<void> {
    for (const claimed of claims) {
      working.begun += 1;
      await workOne(working, claimed);
      if (isOver()) return;
    }
  }
  const lanes = isOver() ? [] : Array.from({ length: page.concurrency }, lane);
  // The next attempt must not meet what this one left running.
  const ends = await Promise.allSettled(lanes);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

export async function workPage(deps: ItemsDeps, page: Page, work: Work): Promise<Paged> {
  const context = Context.current();
  const working: Working = { deps, page, work, inFlight: new Map(), begun: 0, failed: 0 };
  const began = performance.now();
  const isOver = (): boolean =>
    context.cancellationSignal.aborted ||
    deps.draining.aborted ||
    working.failed > page.failures_left ||
    performance.now() - began > PAGE_MS_MAX;
  const heartbeat = setInterval(() => {
    context.heartbeat({ begun: working.begun, failed: working.failed });
  }, HEARTBEAT_MS);
  const renewal = setInterval(() => {
    // Without cold Postgres nobody else can take them either, until they have run out.
    renewHolds(working).catch((error: unknown) =>
      deps.log.warn({ run: page.run, code: codeOf(error) }, 'no holds renewed'),
    );
  }, HOLD_RENEW_MS);
  try {
    await workLanes(working, isOver);
  } finally {
    clearInterval(heartbeat);
    clearInterval(renewal);
  }
  return countRun(deps.cold, page.run, working.begun);
}

/** How a run stands. */
export async function countRun(cold: Cold, run: string, begun = 0): Promise<Paged> {
  const counts = await runCounts(cold, run);
  const { total, waiting, working, done, failed, skipped } = counts;
  const due_in_ms = working > 0 ? 0 : Math.max(0, counts.due_in_ms);
  return { begun, total, left: waiting + working, done, failed, skipped, due_in_ms };
}
