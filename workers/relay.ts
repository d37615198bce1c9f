/**
 * The relay: events of hot Postgres → cold Postgres, exactly once in effect, in the order of each
 * host and each database. A loop and not a workflow, because it must run while Temporal is down.
 *
 * A round reads the oldest events, takes them in one durable cold transaction (the events, the list
 * of databases, the usage intervals, how far it is), and only after its commit removes exactly these
 * from hot Postgres. Whatever is killed in between, the next round reads the same events again and
 * finds them taken: (source, boot, seq) is unique. One relay at a time has the lock.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import { databaseFold } from '../db/cold/database-fold.ts';
import { eventCursor, eventTake, relayLock } from '../db/cold/event-take.ts';
import type { HotEvents, HotFunctions } from '../db/cold/hot-functions.ts';
import type { Cold, Run } from '../db/cold/pool.ts';
import { usageLoad, usageSave } from '../db/cold/usage-store.ts';
import type { Logger } from '../lib/log.ts';
import { METRICS_PREFIX } from '../lib/metrics.ts';
import { foldUsage, usageFactOf, usageNeeded } from '../model/cold/usage.ts';
import { startLoop, type Loop } from './loop.ts';

/** Events in one transaction: some 30 ms on two cores. */
const EVENTS_PER_ROUND = 500;
const LOOK_MS = 500;
/** While nothing happens, it is written down this often that the relay is through. */
const NOTE_MS = 5_000;

export interface RelayParts {
  readonly cold: Cold;
  readonly hot: HotFunctions;
}

export interface RelayRound {
  /** More may be behind them; hot Postgres held no other; or another relay is at work. */
  readonly outcome: 'more' | 'drained' | 'busy';
  /** How many were new here. */
  readonly taken: number;
}

/** Everything that follows from the page, in the caller's transaction. @returns how many were new. */
async function take(run: Run, { generation, events }: HotEvents, drained: boolean) {
  const taken = await eventTake(run, generation, events);
  await databaseFold(run, taken);
  const facts = taken.map(usageFactOf).filter((fact) => fact !== undefined);
  if (facts.length > 0) {
    const known = await usageLoad(run, usageNeeded(facts));
    await usageSave(run, foldUsage(known, facts));
  }
  const hotId = events.at(-1)?.id ?? 0;
  await eventCursor(run, { generation, hotId, events: taken.length, drained });
  return taken.length;
}

/**
 * One round.
 * @param note whether to write down that there was nothing: a commit each, so not every time.
 * @throws AppError `unavailable` if one of the two servers is not there.
 */
export async function relayRound(
  { cold, hot }: RelayParts,
  most = EVENTS_PER_ROUND,
  note = true,
): Promise<RelayRound> {
  const page = await hot.events(most);
  const drained = page.events.length < most;
  if (page.events.length === 0 && !note) return { outcome: 'drained', taken: 0 };
  const taken = await cold.transaction(async (run) =>
    (await relayLock(run)) ? take(run, page, drained) : undefined,
  );
  if (taken === undefined) return { outcome: 'busy', taken: 0 };
  if (page.events.length > 0) await hot.eventsTaken(page.events.map((event) => event.id));
  return { outcome: drained ? 'drained' : 'more', taken };
}

export interface RelayOptions extends RelayParts {
  readonly log: Logger;
  readonly registry: Registry;
}

/** Relays until it is stopped. */
export function startRelay(options: RelayOptions): Loop {
  const { log, registry } = options;
  let drainedAt = performance.now();
  let notedAt = -Infinity;
  new Gauge({
    name: `${METRICS_PREFIX}relay_lag_seconds`,
    help: 'Since hot Postgres was last seen without an event that is not in cold Postgres',
    registers: [registry],
    collect() {
      this.set((performance.now() - drainedAt) / 1000);
    },
  });
  const events = new Counter({
    name: `${METRICS_PREFIX}relay_events_total`,
    help: 'Events taken into cold Postgres by this process',
    registers: [registry],
  });
  return startLoop({
    name: 'relay',
    log,
    everyMs: LOOK_MS,
    async round() {
      const begun = performance.now();
      const note = begun - notedAt >= NOTE_MS;
      const { outcome, taken } = await relayRound(options, EVENTS_PER_ROUND, note);
      if (note && outcome === 'drained') notedAt = begun;
      events.inc(taken);
      if (outcome === 'drained') drainedAt = begun;
      return outcome === 'more' ? 'at once' : 'later';
    },
  });
}
