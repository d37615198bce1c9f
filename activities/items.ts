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

/** Until when an item is put off for an error: it can be helped by asking again, later. */
const defers = (code: ErrorCode): boolean => ERRORS[code].retryable;

export async function workPage(deps: ItemsDeps, page: Page, work: Work): Promise<Paged> {
  const { cold, log, draining } = deps;
  const { run } = page;
  const context = Context.current();
  const began = performance.now();
  const inFlight = new Map<string, AbortController>();
  let begun = 0;
  let failed = 0;

  const isOver = (): boolean =>
    context.cancellationSignal.aborted ||
    draining.aborted ||
    failed > page.failures_left ||
    performance.now() - began > PAGE_MS_MAX;

  async function settle(claimed: ClaimedItem, code: ErrorCode, detail?: string): Promise<void> {
    const item = { run, ...claimed };
    const afterMs = deferMs(page.retry_ms, claimed.attempt);
    const text = detail === undefined ? {} : { detail };
    if (SKIPPED.has(code)) await runItemEnd(cold, { ...item, state: 'skipped', error: code });
    else if (defers(code)) await runItemDefer(cold, { ...item, error: code, afterMs });
    else {
      failed += 1;
      await runItemEnd(cold, { ...item, state: 'failed', error: code, ...text });
    }
  }

  async function workHeld(claimed: ClaimedItem, lost: AbortController): Promise<void> {
    const { item: database, attempt } = claimed;
    try {
      const outcome = await work.item({ database, attempt, signal: lost.signal });
      if (outcome.state === 'failed') await settle(claimed, outcome.error, outcome.detail);
      if (outcome.state === 'done')
        await runItemEnd(cold, { run, ...claimed, state: 'done', result: outcome.result });
    } catch (error) {
      // What is lost was another's by then, and its word counts.
      const code = lost.signal.aborted ? 'held' : codeOf(error);
      if (code === 'internal') log.error({ err: error, run, database }, 'BUG');
      await settle(claimed, code, error instanceof AppError ? error.detail : undefined);
    }
  }

  async function workOne(claimed: ClaimedItem): Promise<void> {
    const { item: database } = claimed;
    const hold = { database, owner: run, kind: work.verb, forMs: HOLD_MS };
    const taken = await holdTake(cold, hold);
    if (!taken.taken) return settle(claimed, 'held');
    const lost = new AbortController();
    inFlight.set(database, lost);
    try {
      await workHeld(claimed, lost);
    } finally {
      inFlight.delete(database);
      await holdRelease(cold, database, run);
    }
  }

  /** What could not be renewed in time is given up. */
  async function renew(): Promise<void> {
    const held = [...inFlight.keys()];
    if (held.length === 0) return;
    const kept = new Set(await holdRenew(cold, held, run, HOLD_MS));
    for (const database of held) if (!kept.has(database)) inFlight.get(database)?.abort();
  }

  const heartbeat = setInterval(() => context.heartbeat({ begun, failed }), HEARTBEAT_MS);
  const renewal = setInterval(() => {
    // Without cold Postgres nobody else can take it either, until it has run out.
    renew().catch((error: unknown) => log.warn({ run, code: codeOf(error) }, 'no holds renewed'));
  }, HOLD_RENEW_MS);
  try {
    const claims = (await runItemClaim(cold, run, run, page.limit)).values();
    const lane = async (): Promise<void> => {
      for (const claimed of claims) {
        begun += 1;
        await workOne(claimed);
        if (isOver()) return;
      }
    };
    const lanes = isOver() ? [] : Array.from({ length: page.concurrency }, lane);
    // All of them to their end: the next attempt must not meet what this one left running.
    const ends = await Promise.allSettled(lanes);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    clearInterval(heartbeat);
    clearInterval(renewal);
  }
  return countRun(cold, run, begun);
}

/** How a run stands. */
export async function countRun(cold: Cold, run: string, begun = 0): Promise<Paged> {
  const counts = await runCounts(cold, run);
  const { total, waiting, working, done, failed, skipped } = counts;
  const due_in_ms = working > 0 ? 0 : Math.max(0, counts.due_in_ms);
  return { begun, total, left: waiting + working, done, failed, skipped, due_in_ms };
}
