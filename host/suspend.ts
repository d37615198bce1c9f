/** suspend: ends a database's run in order, so that nobody who just got in is thrown out. */
import type { Look } from '../db/tenant/look.ts';
import { AppError } from '../model/errors.ts';
import { POSTGRES_STOP_MS_MAX } from '../model/limits.ts';
import type { Version } from '../model/version.ts';
import type { AgentSuspendAnswer, AgentSuspendRequest, Asked } from '../model/wire.ts';
import { note, type AgentContext } from './context.ts';
import { judge, type IdlePolicy, type IdleWatch, type Verdict } from './idle-rule.ts';
import { closeDoor, openDoor, type Incarnation } from './incarnation.ts';
import { lookInside, boundPath, type TenantLook } from './look.ts';
import { CLOSED_PORT, SOCKET_PORT } from './postgres.ts';
import type { Slot } from './slots.ts';
import { readConnections } from './sockets.ts';

/** What was found, and the look that it was found by. `idle` leaves the door closed. */
export interface Found {
  readonly verdict: Verdict;
  readonly seen: TenantLook | undefined;
}

/** A Postgres that is stopped does not keep its end waiting for longer. */
const LAST_LOOK_MS_MAX = 2_000;

const BUSY: Found = { verdict: 'active', seen: undefined };

async function lookAndJudge(
  incarnation: Incarnation,
  port: number,
  policy: IdlePolicy,
  baseline: IdleWatch['baseline'],
): Promise<Found> {
  const seen = await lookInside(incarnation, port, policy.ignore);
  return { verdict: judge(seen.look, policy, seen.connections, baseline), seen };
}

/**
 * Finds out whether a database is idle. Where somebody is connected, a first look is taken with the
 * door open; the look that decides always has it closed.
 */
export async function findIdle(
  context: AgentContext,
  incarnation: Incarnation,
  policy: IdlePolicy,
  baseline: IdleWatch['baseline'],
): Promise<Found> {
  await context.roles.release(incarnation);
  const connected = (await readConnections()).get(boundPath(incarnation)) ?? 0;
  try {
    if (connected > 0) {
      const first = await lookAndJudge(incarnation, SOCKET_PORT, policy, baseline);
      if (first.verdict !== 'idle') return first;
    }
    await closeDoor(incarnation);
  } catch (error) {
    context.log.warn({ err: error, directory: incarnation.directory }, 'a look failed');
    return BUSY;
  }
  let found = BUSY;
  try {
    found = await lookAndJudge(incarnation, CLOSED_PORT, policy, baseline);
  } catch (error) {
    context.log.warn({ err: error, directory: incarnation.directory }, 'a look failed');
  } finally {
    if (found.verdict !== 'idle') await openDoor(incarnation).catch(() => undefined);
  }
  return found;
}

export interface EndOptions {
  readonly graceMs?: number;
  /** Who asked for it, for the event. */
  readonly asked?: Asked;
  /** The look that found it idle: the last one, with the door closed. */
  readonly seen?: TenantLook | undefined;
}

/** For a run that ends though nobody has looked whether it is idle. */
async function lookLast(
  { log }: AgentContext,
  incarnation: Incarnation,
): Promise<TenantLook | undefined> {
  try {
    return await lookInside(incarnation, CLOSED_PORT, [], LAST_LOOK_MS_MAX);
  } catch (error) {
    log.warn({ err: error, directory: incarnation.directory }, 'a last look failed');
    return undefined;
  }
}

/** What only a running Postgres knows is noted: whether anybody has logged in, and what SQL says of roles. */
async function noteLast(
  context: AgentContext,
  slot: Slot,
  database: string,
  last: TenantLook | undefined,
): Promise<void> {
  if (last !== undefined) await context.roles.take(slot, last.authid);
  const look = (): Promise<Look> =>
    last === undefined ? Promise.reject(new AppError('unavailable')) : Promise.resolve(last.look);
  await context.visits.settle(database, look);
}

/** Stops what a slot runs, in order, and empties the slot. To be called in the slot's queue. */
export async function endRun(
  context: AgentContext,
  slot: Slot,
  reason: string,
  { graceMs = POSTGRES_STOP_MS_MAX, asked, seen }: EndOptions = {},
): Promise<Version> {
  const { incarnation, database } = slot;
  if (incarnation === undefined) throw new Error('BUG: nothing runs in this slot');
  context.slots.update({ ...slot, state: 'stopping' });
  incarnation.ending = true;
  // It may be closed already, or Postgres may have taken its socket away itself.
  await closeDoor(incarnation).catch(() => undefined);
  if (database !== undefined) {
    await context.roles.release(incarnation);
    // Nobody will log in to what is deleted.
    const last =
      reason === 'deleted' ? undefined : (seen ?? (await lookLast(context, incarnation)));
    await noteLast(context, slot, database, last);
    context.wakes.ended(database, seen?.look.active_ms);
  }
  await context.incarnations.stop(incarnation, graceMs);
  note(context, 'suspended', slot, reason, asked);
  return context.slots.vacate(slot);
}

/**
 * Suspends a database if this epoch runs here; with `if_idle` only if nobody works in it.
 * @throws AppError `database_not_found` if its identity document is gone.
 */
export function suspend(
  context: AgentContext,
  request: AgentSuspendRequest,
): Promise<AgentSuspendAnswer> {
  const { slots, identities } = context;
  return context.queues.run(request.database, async () => {
    const slot = slots.byDatabase(request.database);
    const incarnation = slot?.incarnation;
    const current = slot?.epoch === request.epoch && incarnation?.process.isAlive() === true;
    if (!current || slot === undefined || incarnation === undefined)
      return { ...slots.bump(), outcome: 'not_current' };
    let seen: TenantLook | undefined;
    if (request.if_idle) {
      const identity = await identities.read(request.database);
      if (identity === undefined) throw new AppError('database_not_found');
      const found = await findIdle(context, incarnation, identity, undefined);
      if (found.verdict !== 'idle') return { ...slots.version(), outcome: 'busy' };
      seen = found.seen;
    }
    const version = await endRun(context, slot, 'asked', { asked: request, seen });
    return { ...version, outcome: 'suspended' };
  });
}
