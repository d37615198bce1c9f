/**
 * attach: starts a database in a slot as exactly the epoch that was asked for; while the index is away,
 * in any slot as the next epoch.
 */
import { AppError, codeOf } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import type {
  AttachRequest,
  DegradedAttachRequest,
  Incarnation as IncarnationAnswer,
  SlotRef,
} from '../model/wire.ts';
import { answerOf, checkOpen, note, toldAddress, type AgentContext } from './context.ts';
import { answers } from './look.ts';
import { withoutRun, type Slot } from './slots.ts';
import type { Supervision } from './supervise.ts';
import { checkSyncToken } from './sync-token.ts';

type Request = AttachRequest | DegradedAttachRequest;

/** undefined = the next one. */
const epochOf = (request: Request): number | undefined =>
  'epoch' in request ? request.epoch : undefined;

async function readLiving(context: AgentContext, database: string): Promise<Identity> {
  const identity = await context.identities.read(database);
  if (identity === undefined) throw new AppError('database_not_found');
  if (identity.deleted_at !== null) throw new AppError('database_deleted');
  return identity;
}

/**
 * Judges what this host already runs of the database.
 * @returns the answer if it is that very epoch, or any that is well where none is named; undefined if
 * nothing is left in the way.
 * @throws AppError `stale_epoch` if this or a later epoch has been used, and also if an earlier one
 * is alive and well: then `minted` is that epoch, smaller than what was asked for.
 */
async function settleRunning(
  context: AgentContext,
  supervision: Supervision,
  request: Request,
): Promise<IncarnationAnswer | undefined> {
  const slot = context.slots.byDatabase(request.database);
  if (slot?.incarnation === undefined) return undefined;
  const { incarnation } = slot;
  if (incarnation.process.isAlive()) {
    const asked = epochOf(request);
    if (slot.epoch === asked) return answerOf(slot, context.slots.version());
    const isNewer = asked !== undefined && slot.epoch > asked;
    const isWell = isNewer || (await answers(incarnation));
    if (isWell && asked === undefined) return answerOf(slot, context.slots.version());
    if (isWell) throw new AppError('stale_epoch', { data: { minted: slot.epoch } });
  }
  await supervision.clear(slot, incarnation.process.isAlive() ? 'no answer' : 'found dead');
  return undefined;
}

/** The slot that was asked for; else one that is vacant, of the document's size. */
async function slotFor(context: AgentContext, request: Request): Promise<SlotRef> {
  if ('slot' in request) return request;
  checkSyncToken(request.sync_token, context.slots.version().boot);
  const { size } = await readLiving(context, request.database);
  const slot = context.slots.vacant(size);
  if (slot === undefined) throw new AppError('no_capacity');
  return { size, slot };
}

async function startIn(
  context: AgentContext,
  supervision: Supervision,
  request: Request,
  taken: Slot,
): Promise<IncarnationAnswer> {
  const { slots, incarnations } = context;
  // A document that is known here is read once, when it counts: after the minting.
  const directory =
    context.identities.directoryOf(request.database) ??
    (await readLiving(context, request.database)).directory;
  const epoch = epochOf(request);
  const slot: Slot = { ...taken, directory, epoch: epoch ?? 0 };
  // An epoch that is not known yet is not reported.
  if (epoch !== undefined) slots.update(slot);
  const lower = (pid: number, data: string): (() => void) =>
    context.unhurried.lower(pid, data, request.database);
  let minted: number | undefined;
  try {
    const incarnation = await incarnations.start({
      size: slot.size,
      slot: slot.slot,
      directory,
      epoch,
      ...(request.priority === 'maintenance' ? { lower } : {}),
      confirm: async () => void (await readLiving(context, request.database)),
      minted: (made) => (minted = made),
    });
    const running: Slot = {
      ...withoutRun(slot, 'running', incarnation.epoch),
      address: toldAddress(context, incarnation),
      incarnation,
    };
    const version = slots.update(running);
    supervision.watch(incarnation);
    note(context, 'started', running, undefined, request);
    context.wakes.woken(request.database, request.cause);
    // Who is woken for has been let in by a proxy.
    if (request.cause?.role !== undefined) void context.visits.mark(request.database);
    context.roles.recover(running);
    return answerOf(running, version);
  } catch (error) {
    if (minted !== undefined)
      note(context, 'start_failed', { ...slot, epoch: minted }, codeOf(error), request);
    throw error;
  }
}

function attachNow(
  context: AgentContext,
  supervision: Supervision,
  request: Request,
): Promise<IncarnationAnswer> {
  return context.queues.run(request.database, async () => {
    checkOpen(context);
    const answer = await settleRunning(context, supervision, request);
    if (answer !== undefined) return answer;
    // Of proxies alone: an operator's wake is let through.
    if (request.cause?.role !== undefined) context.wakes.check(request.database, request.cause);
    const { size, slot } = await slotFor(context, request);
    const taken: Slot = {
      size,
      slot,
      state: 'starting',
      directory: '',
      epoch: 0,
      database: request.database,
    };
    context.slots.occupy(taken);
    try {
      return await startIn(context, supervision, request, taken);
    } catch (error) {
      context.slots.vacate(taken);
      throw error;
    }
  });
}

/**
 * Starts a database. Idempotent on (database, epoch), and on the database where no epoch is named.
 * @throws AppError `stale_epoch` with `minted`, `held_elsewhere` with `host` and `epoch`,
 * `previous_incarnation_alive`, `slot_taken`, `database_not_found`, `database_deleted`,
 * `start_failed` with Postgres' reason, `storage_full`, `backed_off`, `fenced`, `shutting_down`; without
 * an epoch also `late_request`, `no_capacity`.
 */
export function attach(
  context: AgentContext,
  supervision: Supervision,
  request: Request,
): Promise<IncarnationAnswer> {
  const { unhurried } = context;
  const work = (): Promise<IncarnationAnswer> => attachNow(context, supervision, request);
  // The turn comes before the database's queue: demand for it does not wait for other maintenance.
  if (request.priority === 'maintenance') return unhurried.inTurn(work);
  return unhurried.demanded(request.database, work);
}
