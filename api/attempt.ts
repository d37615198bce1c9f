/**
 * One way through the table of states for a start: claim a slot in the index, attach at the agent,
 * remember the success. What settles nothing (a slot that was taken, a host that fell silent, an
 * incarnation held elsewhere) leaves the index in order and lets the caller look again.
 */
import { setImmediate as answered } from 'node:timers/promises';
import { AppError, codeOf } from '../model/errors.ts';
import { STARTING_MS_MAX, VACANT_FLOOR_PER_HOST } from '../model/limits.ts';
import type { Asked, Incarnation } from '../model/wire.ts';
import { databaseCreateUndo } from '../db/hot/database-create.ts';
import { databaseFind, databaseGet } from '../db/hot/database-find.ts';
import type { DatabaseRow } from '../db/hot/rows.ts';
import { databaseHeld } from '../db/hot/database-held.ts';
import { databaseIdentity } from '../db/hot/database-identity.ts';
import { databaseRaise } from '../db/hot/database-raise.ts';
import { databaseRunning } from '../db/hot/database-running.ts';
import { databaseStart } from '../db/hot/database-start.ts';
import type { StartClaim } from '../db/hot/rows.ts';
import { databaseStartAgain } from '../db/hot/database-start-again.ts';
import { databaseStartFailed } from '../db/hot/database-start-failed.ts';
import { hostSync } from '../db/hot/host-sync.ts';
import { hearDocument } from './adopt.ts';
import { anyHost, orAway } from './anywhere.ts';
import type { ClaimedSlot as Slot, Parts, StartCall, Started } from './context.ts';

/** Hosts that a first look at room goes to: two random choices, and some more in case they are full. */
const HOSTS = 4;

/** Asks a host for its state and takes it as a sync. */
export async function hearNow(deps: Parts, host: string, requestId: string): Promise<void> {
  if (deps.fleet.isSilent(host, deps.now())) return;
  try {
    const report = await deps.agents.state(host, requestId);
    deps.fleet.hear(report, deps.now());
    if (await hostSync(deps.hot, report)) deps.fleet.indexed(host, report);
  } catch (error) {
    deps.log.warn({ host, code: codeOf(error) }, 'the holder of a database does not answer');
  }
}

async function settleHeld(
  deps: Parts,
  call: StartCall,
  epoch: number,
  slot: Slot,
  error: unknown,
): Promise<void> {
  const data = error instanceof AppError ? error.data : undefined;
  const holder = String(data?.['host'] ?? slot.host);
  const held = Number(data?.['epoch'] ?? epoch - 1);
  await databaseHeld(deps.hot, call.database, epoch, holder, held);
  await hearNow(deps, holder, call.requestId);
}

/**
 * Whoever deleted it, or took that back, may have died before the index heard of it.
 * @throws AppError `database_deleted` if the volume says so as well, or nobody can ask it.
 */
async function lookDeleted(deps: Parts, { database, requestId }: StartCall): Promise<undefined> {
  const [host = ''] = deps.fleet.liveHosts(deps.now());
  const document = await deps.agents.identity(host, database, requestId).catch(() => undefined);
  if (document?.deleted_at !== null) throw new AppError('database_deleted');
  await databaseIdentity(deps.hot, document);
}

/** Looking again can not help. A start that failed has been counted. */
const FINAL = [
  ...['database_not_found', 'database_deleted', 'start_failed', 'storage_full'],
  ...['internal', 'backed_off'],
];

/**
 * Takes the claim back as the agent's error asks for.
 * @throws AppError where looking again can not help; otherwise the caller looks again.
 */
async function settle(
  deps: Parts,
  call: StartCall,
  epoch: number,
  slot: Slot,
  error: unknown,
): Promise<void> {
  const { hot, fleet, log } = deps;
  const { database, requestId } = call;
  const code = codeOf(error);
  if (code === 'held_elsewhere') return settleHeld(deps, call, epoch, slot, error);
  // A create that came to nothing leaves a row without a directory.
  if (code === 'database_not_found' && (await databaseFind(hot, database))?.directory === null)
    await databaseCreateUndo(hot, database);
  const reason = error instanceof AppError ? (error.detail ?? error.message) : 'internal error';
  const state = await databaseStartFailed(hot, database, epoch, code === 'start_failed', reason);
  if (code === 'database_deleted') await hearDocument(deps, slot.host, database, requestId);
  if (state === 'broken') throw new AppError('broken', { detail: reason });
  if (FINAL.includes(code)) throw error;
  // The host is at fault, and would be the first to be asked again.
  if (code !== 'slot_taken' && code !== 'stale_epoch') fleet.suspect(slot.host);
  log.warn({ database, epoch, host: slot.host, code }, 'the start goes elsewhere');
}

const whyOf = ({ request: { cause, priority } }: StartCall): Asked => ({ cause, priority });

/** The index hears of it after the caller: a sync would tell it anyway. */
export function remember(deps: Parts, host: string, at: Incarnation): Started {
  const { database } = at;
  deps.fleet.started(host, at);
  const missed = (error: unknown): void =>
    deps.log.warn({ database, code: codeOf(error) }, 'the index missed a start');
  const told = answered().then(() => databaseRunning(deps.hot, host, at));
  deps.fleet.telling(database, told.catch(missed));
  return { epoch: at.epoch, address: at.address };
}

/** What a claimant that is still at it may yet settle, where this is only another. */
const THEIRS = ['slot_taken', 'unavailable'];

/** Attaches; where the volume has minted further than the index knew, as the epoch after that. */
async function attachIn(
  deps: Parts,
  call: StartCall,
  epoch: number,
  slot: Slot,
  theirs: boolean,
): Promise<Started | undefined> {
  const { database, requestId } = call;
  const request = { ...whyOf(call), database, epoch, size: slot.size, slot: slot.slot };
  try {
    return remember(deps, slot.host, await deps.agents.attach(slot.host, request, requestId));
  } catch (error) {
    const data = error instanceof AppError ? error.data : undefined;
    const minted = codeOf(error) === 'stale_epoch' ? Number(data?.['minted']) : NaN;
    if (minted >= epoch) {
      const raised = await databaseRaise(deps.hot, database, epoch, minted);
      if (raised !== undefined) return attachIn(deps, call, raised, slot, theirs);
    }
    if (theirs && THEIRS.includes(codeOf(error))) return undefined;
    // Refused though asked for more than is minted: that incarnation is alive and well.
    const held = { data: { host: slot.host, epoch: minted } };
    const why = minted < epoch ? new AppError('held_elsewhere', held) : error;
    await settle(deps, call, epoch, slot, why);
    return undefined;
  }
}

/** @param theirs another instance's claim: the agent lets us join, for it answers an epoch once. */
async function attachClaimed(
  deps: Parts,
  call: StartCall,
  claim: Omit<StartClaim, 'tenant'>,
  theirs = false,
): Promise<Started | undefined> {
  const { epoch, host } = claim;
  if (host === null || claim.slot === null || epoch === null) throw new AppError('no_capacity');
  const slot = { host, size: claim.size, slot: claim.slot };
  try {
    if (deps.fleet.isSilent(host, deps.now())) throw new AppError('unavailable');
    if (claim.evicts === true)
      await deps.agents.recycle(slot.host, { size: slot.size, slot: slot.slot }, call.requestId);
  } catch (error) {
    await settle(deps, call, epoch, slot, error);
    return undefined;
  }
  return attachIn(deps, call, epoch, slot, theirs);
}

async function followRow(
  deps: Parts,
  call: StartCall,
  row: DatabaseRow,
): Promise<Started | undefined> {
  switch (row.state) {
    case 'deleting':
      return lookDeleted(deps, call);
    case 'broken':
      throw new AppError('broken', { detail: row.broken_reason ?? 'it did not start' });
    case 'running':
      if (row.socket === null || row.port === null) return undefined;
      if (row.epoch <= (call.request.stale_epoch ?? 0)) return undefined;
      return { epoch: row.epoch, address: { socket: row.socket, port: row.port } };
    case 'suspending': {
      const again = await databaseStartAgain(deps.hot, row.id, null, STARTING_MS_MAX);
      return again === undefined ? undefined : attachClaimed(deps, call, again);
    }
    case 'starting': {
      // Its claimant may have died over it: what it comes to is settled here as well.
      if (row.host === null || row.assigned_epoch !== row.epoch) return undefined;
      const theirs = { ...row, size: row.assigned_size ?? row.size, evicts: null };
      return attachClaimed(deps, call, theirs, true);
    }
    case 'suspended':
      return undefined;
  }
}

/** Maintenance leaves so many vacant slots of a size to demand. */
const floorOf = ({ fleet, now }: Parts, { request }: StartCall): number | null =>
  request.priority === 'maintenance' ? VACANT_FLOOR_PER_HOST * fleet.liveHosts(now()).length : null;

async function attemptIndexed(deps: Parts, call: StartCall): Promise<Started | undefined> {
  const { database, force } = call;
  const stale = call.request.stale_epoch;
  const floor = floorOf(deps, call);
  const look = (most?: number): ReturnType<typeof databaseStart> => {
    const hosts = deps.fleet.liveHosts(deps.now()).slice(0, most);
    const silent = deps.fleet.silentHosts(deps.now());
    const deadlineMs = STARTING_MS_MAX;
    return databaseStart(deps.hot, { database, hosts, silent, deadlineMs, force, floor });
  };
  // First, also with a stale epoch: most often it is stale because the database is asleep by now.
  let claim = await look(floor === null ? HOSTS : undefined);
  // Whoever found no room looks everywhere, and after those who came before.
  if (claim?.host === null && floor === null)
    claim = await deps.room[claim.size].wait(
      () => look(),
      (found) => found?.host === null,
    );
  if (claim !== undefined) return attachClaimed(deps, call, claim);
  if (stale !== undefined) {
    const again = await databaseStartAgain(deps.hot, database, stale, STARTING_MS_MAX);
    if (again !== undefined) return attachClaimed(deps, call, again);
  }
  const row = await databaseGet(deps.hot, database);
  if (floor !== null && row.state === 'suspended') throw new AppError('below_floor');
  return followRow(deps, call, row);
}

/** What the next look may find settled. */
const PASSING = ['held_elsewhere', 'previous_incarnation_alive', 'slot_taken', 'late_request'];

/** Without the index: the next epoch, in any vacant slot of any host. The next sync tells of it. */
async function attemptAnywhere(deps: Parts, call: StartCall): Promise<Started | undefined> {
  const attach = async (host: string): Promise<Started> => {
    const sync_token = deps.fleet.syncTokenOf(host) ?? '';
    const request = { ...whyOf(call), database: call.database, sync_token };
    return remember(deps, host, await deps.agents.attach(host, request, call.requestId));
  };
  return anyHost(deps, attach, (code) => FINAL.includes(code)).catch((error: unknown) => {
    if (PASSING.includes(codeOf(error))) return undefined;
    throw error;
  });
}

/**
 * @returns undefined if it is worth looking again.
 * @throws AppError where it is not.
 */
export const attemptStart = (deps: Parts, call: StartCall): Promise<Started | undefined> =>
  orAway(attemptIndexed(deps, call), () => attemptAnywhere(deps, call));
