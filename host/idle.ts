/**
 * Puts idle databases to sleep without asking anyone: once a second one read of the socket table,
 * and SQL only where the idle time seems to be over (idle-rule.ts has the rule).
 */
import { truncate, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from '../model/identity.ts';
import type { AgentContext } from './context.ts';
import { afterLook, dueNow, newWatch, seeConnections, type IdleWatch } from './idle-rule.ts';
import type { Incarnation } from './incarnation.ts';
import { boundPath, lookInside } from './look.ts';
import { SOCKET_PORT } from './postgres.ts';
import type { Slot } from './slots.ts';
import { readConnections } from './sockets.ts';
import { endRun, findIdle } from './suspend.ts';

const TICK_MS = 1_000;
/** A document that another agent changed is noticed within this. */
const IDENTITY_AGE_MS_MAX = 15_000;
/** An incarnation's log is for people who look now; it must not fill the run folder. */
const LOG_BYTES_MAX = 1024 * 1024;

export interface IdleTimer {
  readonly stop: () => void;
}

/** What is remembered between the ticks. */
interface Idling {
  readonly context: AgentContext;
  readonly watches: WeakMap<Incarnation, IdleWatch>;
  /** Being looked at, or waiting for it in the queue. */
  readonly busy: WeakSet<Incarnation>;
  ticking: boolean;
}

const watchOf = ({ watches }: Idling, incarnation: Incarnation): IdleWatch =>
  watches.get(incarnation) ?? newWatch(performance.now());

/** Half of the idle time is over: what the statistics say now is what the end compares with. */
async function takeBaseline(
  idling: Idling,
  incarnation: Incarnation,
  identity: Identity,
): Promise<void> {
  const { look } = await lookInside(incarnation, SOCKET_PORT, identity.ignore);
  const watch = watchOf(idling, incarnation);
  idling.watches.set(incarnation, afterLook(watch, look, 'idle', performance.now()));
}

/** What a visit of our own has added to the statistics is not held against the tenant. */
function forgetGuests(idling: Idling, incarnation: Incarnation): void {
  if (!idling.context.guests.takeEnded(incarnation)) return;
  const watch = watchOf(idling, incarnation);
  idling.watches.set(incarnation, { ...watch, baseline: undefined });
}

async function trySuspend(idling: Idling, slot: Slot, incarnation: Incarnation): Promise<void> {
  const { context, watches } = idling;
  const identity = await context.identities.read(slot.database ?? '');
  if (identity === undefined) return;
  if (dueNow(watchOf(idling, incarnation), identity, performance.now()) !== 'suspend') return;
  await context.roles.release(incarnation);
  if (context.guests.open(incarnation) > 0) return;
  forgetGuests(idling, incarnation);
  const { baseline } = watchOf(idling, incarnation);
  const { verdict, seen } = await findIdle(context, incarnation, identity, baseline);
  if (verdict === 'idle') {
    await endRun(context, slot, 'idle', { seen });
    return;
  }
  const now = performance.now();
  const watch = watchOf(idling, incarnation);
  watches.set(
    incarnation,
    seen === undefined ? { ...watch, activeAt: now } : afterLook(watch, seen.look, verdict, now),
  );
}

/** Runs in the database's queue, if the slot still runs this incarnation by then. */
async function inQueue(
  { context, busy }: Idling,
  slot: Slot,
  incarnation: Incarnation,
  work: (current: Slot) => Promise<unknown>,
): Promise<void> {
  if (busy.has(incarnation)) return;
  busy.add(incarnation);
  try {
    await context.queues.run(slot.database ?? '', async () => {
      const current = context.slots.get(slot);
      if (current?.incarnation === incarnation && incarnation.process.isAlive())
        await work(current);
    });
  } catch (error) {
    context.log.warn({ err: error, database: slot.database }, 'an idle look failed');
  } finally {
    busy.delete(incarnation);
  }
}

async function tickOne(
  idling: Idling,
  slot: Slot,
  incarnation: Incarnation,
  connections: number,
): Promise<void> {
  const { context, watches } = idling;
  const identity = await context.identities.recent(slot.database ?? '', IDENTITY_AGE_MS_MAX);
  if (identity === undefined) return;
  if (identity.deleted_at !== null)
    return inQueue(idling, slot, incarnation, (current) => endRun(context, current, 'deleted'));
  if (connections > 0) void context.visits.mark(identity.id);
  const now = performance.now();
  forgetGuests(idling, incarnation);
  const watch = seeConnections(watchOf(idling, incarnation), identity, connections, now);
  watches.set(incarnation, watch);
  const due = dueNow(watch, identity, now);
  if (due === 'baseline')
    await inQueue(idling, slot, incarnation, () => takeBaseline(idling, incarnation, identity));
  if (due === 'suspend')
    await inQueue(idling, slot, incarnation, (s) => trySuspend(idling, s, incarnation));
}

async function boundLog(incarnation: Incarnation): Promise<void> {
  const path = join(incarnation.folder, 'log');
  if ((await stat(path)).size > LOG_BYTES_MAX) await truncate(path);
}

/** The running slots with the connections of others than the agent, as of one moment. */
async function countTenants({ slots, guests }: AgentContext) {
  const running = slots.all().flatMap((slot) => {
    const { state, incarnation } = slot;
    if (state !== 'running' || incarnation === undefined) return [];
    return [{ slot, incarnation, changes: guests.changes(incarnation) }];
  });
  const connections = await readConnections();
  return running.flatMap(({ slot, incarnation, changes }) => {
    // Who came or went meanwhile may be in the table or not: the next tick knows.
    if (guests.changes(incarnation) !== changes) return [];
    const connected = connections.get(boundPath(incarnation)) ?? 0;
    return [{ slot, incarnation, tenants: Math.max(0, connected - guests.open(incarnation)) }];
  });
}

async function tick(idling: Idling): Promise<void> {
  const { context } = idling;
  if (idling.ticking) return;
  idling.ticking = true;
  try {
    for (const { slot, incarnation, tenants } of await countTenants(context)) {
      const one = tickOne(idling, slot, incarnation, tenants).catch((error: unknown) => {
        context.log.warn({ err: error, database: slot.database }, 'an idle tick failed');
      });
      void one;
      await boundLog(incarnation).catch(() => undefined);
    }
  } catch (error) {
    context.log.error({ err: error }, 'the idle tick failed');
  } finally {
    idling.ticking = false;
  }
}

export function startIdleTimer(context: AgentContext): IdleTimer {
  const idling: Idling = {
    context,
    watches: new WeakMap(),
    busy: new WeakSet(),
    ticking: false,
  };
  const timer = setInterval(() => void tick(idling), TICK_MS);
  return { stop: () => clearInterval(timer) };
}
