/** warm, recycle, and create: blank databases in slots, and how one becomes a tenant's. */
import { isDeepStrictEqual } from 'node:util';
import { AppError, codeOf } from '../model/errors.ts';
import type {
  CreateRequest,
  Incarnation as IncarnationAnswer,
  SlotRef,
  WarmAnswer,
} from '../model/wire.ts';
import { answerOf, checkOpen, directoryQueue, note, toldAddress } from './context.ts';
import type { AgentContext } from './context.ts';
import type { WarmRequest } from './contract.ts';
import { discard, removeBlank } from './discard.ts';
import { withoutRun, type Slot } from './slots.ts';
import type { Supervision } from './supervise.ts';
import type { Pace } from './template.ts';

/** Makes a blank directory and starts it as epoch 1 in a slot that the caller has occupied. */
async function build(context: AgentContext, taken: Slot, pace: Pace): Promise<Slot> {
  const { slots, directories, incarnations, unhurried } = context;
  const directory = directories.newId();
  const slot: Slot = { ...taken, directory, epoch: 1 };
  await directories.make(directory, pace);
  slots.update(slot);
  try {
    const incarnation = await incarnations.start({
      size: slot.size,
      slot: slot.slot,
      directory,
      epoch: 1,
      ...(pace === 'cold' ? { lower: unhurried.lower } : {}),
      confirm: () => Promise.resolve(),
    });
    return { ...slot, address: toldAddress(context, incarnation), incarnation };
  } catch (error) {
    await discard(context, directory);
    throw error;
  }
}

/**
 * Builds a warm slot; takes some 200 ms. Idempotent where the slot is named.
 * @throws AppError `slot_taken`, `no_capacity`, `storage_full`, `start_failed`, `fenced`, `shutting_down`.
 */
export function warm(
  context: AgentContext,
  supervision: Supervision,
  wanted: WarmRequest,
): Promise<WarmAnswer> {
  const { slots } = context;
  const number = wanted.slot ?? slots.vacant(wanted.size);
  if (number === undefined) return Promise.reject(new AppError('no_capacity'));
  const ref: SlotRef = { size: wanted.size, slot: number };
  return context.queues.run(`slot ${ref.size} ${ref.slot}`, async () => {
    checkOpen(context);
    const found = slots.get(ref);
    if (found?.state === 'warm')
      return { ...slots.version(), slot: ref.slot, directory: found.directory };
    context.space.check();
    const taken: Slot = { ...ref, state: 'building', directory: '', epoch: 0 };
    slots.occupy(taken);
    try {
      const built: Slot = { ...(await build(context, taken, 'cold')), state: 'warm' };
      const version = slots.update(built);
      if (built.incarnation !== undefined) supervision.watch(built.incarnation);
      note(context, 'warmed', built);
      return { ...version, slot: ref.slot, directory: built.directory };
    } catch (error) {
      slots.vacate(taken);
      throw error;
    }
  });
}

/**
 * Empties a warm slot. Of a vacant one there is nothing to do.
 * @throws AppError `slot_taken` if it is not warm.
 */
export async function recycle(context: AgentContext, ref: SlotRef): Promise<WarmAnswer> {
  const { slots } = context;
  const slot = slots.get(ref);
  if (slot === undefined) return { ...slots.version(), slot: ref.slot, directory: '' };
  return context.queues.run(directoryQueue(slot.directory), async () => {
    const current = slots.get(ref);
    if (current?.state !== 'warm') throw new AppError('slot_taken');
    await removeBlank(context, current);
    note(context, 'recycled', current);
    const version = slots.vacate(ref);
    return { ...version, slot: ref.slot, directory: current.directory };
  });
}

/** Makes a blank slot the database's: from the identity document on it is, whatever crashes. */
async function bind(
  context: AgentContext,
  request: CreateRequest,
  blank: Slot,
): Promise<IncarnationAnswer> {
  const { slots, directories, identities } = context;
  // First of all, so that nobody ever takes a directory for blank that may have been given away.
  await directories.writeHint(blank.directory, request.database);
  await identities.create(request.identity, blank.directory);
  if (blank.incarnation === undefined) throw new Error('BUG: a blank slot without Postgres');
  const running: Slot = {
    ...withoutRun(blank, 'running', blank.epoch),
    database: request.database,
    address: toldAddress(context, blank.incarnation),
    incarnation: blank.incarnation,
  };
  const version = slots.update(running);
  note(context, 'created', running, undefined, request);
  note(context, 'started', running, undefined, request);
  context.wakes.woken(request.database, request.cause);
  return answerOf(running, version);
}

/**
 * A key's claim, the folder of the document, has to hold on all hosts.
 * @throws AppError `unavailable` where it would hold on this one alone and the index names no slot.
 */
function checkKey({ volume }: AgentContext, { slot, identity }: CreateRequest): void {
  if (slot === undefined && volume.kind === 'local' && identity.request !== undefined)
    throw new AppError('unavailable', {
      detail: 'the index is away, and this volume is of one host',
    });
}

/** The warm slot that a create names; without one, any. @throws AppError `no_capacity` without any. */
function warmOf({ slots }: AgentContext, request: CreateRequest): Slot | undefined {
  const { size, slot } = request;
  if (slot !== undefined) return slots.get({ size, slot });
  const blank = slots.all().find((one) => one.state === 'warm' && one.size === size);
  if (blank === undefined) throw new AppError('no_capacity');
  return blank;
}

/** A blank slot for a create: the warm one that it names, or one built from the template. */
async function blankFor(
  context: AgentContext,
  supervision: Supervision,
  request: CreateRequest,
): Promise<Slot> {
  const { slots } = context;
  const { size, database } = request;
  checkKey(context, request);
  if (request.source === 'warm') {
    const found = warmOf(context, request);
    if (found?.state !== 'warm' || found.incarnation?.process.isAlive() !== true)
      throw new AppError('slot_taken');
    const taken: Slot = { ...found, state: 'starting', database };
    slots.update(taken);
    return taken;
  }
  const slot = request.slot ?? slots.vacant(size);
  if (slot === undefined) throw new AppError('no_capacity');
  const taken: Slot = { size, slot, state: 'building', directory: '', epoch: 0, database };
  slots.occupy(taken);
  try {
    const built = await build(context, taken, 'now');
    slots.update(built);
    if (built.incarnation !== undefined) supervision.watch(built.incarnation);
    return built;
  } catch (error) {
    slots.vacate(taken);
    throw error;
  }
}

/** A repeat of a create that came through answers the same; any other one is a conflict. */
async function settleExisting(
  context: AgentContext,
  request: CreateRequest,
): Promise<IncarnationAnswer | undefined> {
  const identity = await context.identities.read(request.database);
  if (identity === undefined) return undefined;
  const slot = context.slots.byDatabase(request.database);
  // Of another create, by the same key, the password would be another one.
  const { tenant, roles } = request.identity;
  const same = identity.tenant === tenant && isDeepStrictEqual(identity.roles, roles);
  if (same && slot?.incarnation?.process.isAlive() === true)
    return answerOf(slot, context.slots.version());
  throw new AppError('identity_conflict', {
    detail: 'this database exists',
    data: { version: identity.version },
  });
}

/**
 * Makes a database in a slot. Idempotent on the database id while it runs here.
 * @throws AppError `slot_taken`, `identity_conflict` if the id exists elsewhere or asleep,
 * `storage_full`, `start_failed`, `fenced`, `shutting_down`. Then the slot is vacant again.
 */
export function create(
  context: AgentContext,
  supervision: Supervision,
  request: CreateRequest,
): Promise<IncarnationAnswer> {
  return context.queues.run(request.database, async () => {
    checkOpen(context);
    const existing = await settleExisting(context, request);
    if (existing !== undefined) return existing;
    context.space.check();
    const blank = await blankFor(context, supervision, request);
    try {
      return await bind(context, request, blank);
    } catch (error) {
      context.log.error({ err: error, code: codeOf(error) }, 'a create failed');
      await abandon(context, request.database, blank);
      throw error;
    }
  });
}

/** After a create that failed: the directory is removed unless a document names it after all. */
async function abandon(context: AgentContext, database: string, blank: Slot): Promise<void> {
  const bound = await context.identities.read(database).catch(() => 'unknown' as const);
  const safe = bound === undefined || (bound !== 'unknown' && bound.directory !== blank.directory);
  if (safe) await removeBlank(context, blank);
  else if (blank.incarnation !== undefined) await context.incarnations.stop(blank.incarnation, 0);
  context.slots.vacate(blank);
}
