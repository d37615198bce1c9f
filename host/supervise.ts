/**
 * What becomes of an incarnation that ends by itself. A crash is cleared away and started again in
 * place as the next epoch, a few times; whatever was stopped in order from outside stays down.
 */
import { CRASH_RESTARTS_MAX, CRASH_WINDOW_MS } from '../model/limits.ts';
import { codeOf, AppError } from '../model/errors.ts';
import { directoryQueue, note, toldAddress, type AgentContext } from './context.ts';
import type { Incarnation } from './incarnation.ts';
import { discard } from './discard.ts';
import { withoutRun, type Slot } from './slots.ts';

export interface Supervision {
  /** Begins to watch an incarnation that holds a slot. */
  readonly watch: (incarnation: Incarnation) => void;
  /**
   * Ends what an occupied slot runs and empties the slot: for an incarnation that is dead or does
   * not answer. To be called in the slot's queue.
   */
  readonly clear: (slot: Slot, reason: string) => Promise<void>;
}

/** True while the restarts of the window are not used up; notes this one. Pure. */
export function mayRestart(restarts: number[], now: number): boolean {
  while (restarts[0] !== undefined && now - restarts[0] > CRASH_WINDOW_MS) restarts.shift();
  if (restarts.length >= CRASH_RESTARTS_MAX) return false;
  restarts.push(now);
  return true;
}

interface Watching {
  readonly context: AgentContext;
  /** Of each database: when it was started again, in ms of this process' clock. */
  readonly restarts: Map<string, number[]>;
}

async function restart(watching: Watching, slot: Slot): Promise<void> {
  const { context } = watching;
  const { slots, incarnations, log } = context;
  const { size, slot: number, directory, database, epoch } = slot;
  slots.update(withoutRun(slot, 'starting', epoch + 1));
  try {
    const incarnation = await incarnations.start({
      size,
      slot: number,
      directory,
      epoch: undefined,
      confirm: async () => {
        const identity = await context.identities.read(database ?? '');
        if (identity === undefined || identity.deleted_at !== null)
          throw new AppError('database_deleted');
      },
    });
    const running: Slot = {
      ...withoutRun(slot, 'running', incarnation.epoch),
      address: toldAddress(context, incarnation),
      incarnation,
    };
    slots.update(running);
    watch(watching, incarnation);
    note(context, 'started', running, 'after a crash');
    context.roles.recover(running);
  } catch (error) {
    log.error({ err: error, database, code: codeOf(error) }, 'no restart after a crash');
    note(context, 'start_failed', { ...slot, epoch: epoch + 1 }, codeOf(error));
    slots.vacate(slot);
  }
}

async function clearEnded(
  watching: Watching,
  slot: Slot,
  incarnation: Incarnation,
  inOrder: boolean,
): Promise<void> {
  const { context, restarts } = watching;
  const { slots, incarnations, log } = context;
  incarnation.ending = true;
  slots.update({ ...slot, state: 'stopping' });
  await incarnations.bury(incarnation);
  const reason = context.heartbeat.isFenced() ? 'fenced' : undefined;
  note(context, inOrder ? 'suspended' : 'crashed', slot, inOrder ? 'stopped from outside' : reason);
  // What its statistics knew of logins is lost.
  if (!inOrder && slot.database !== undefined) await context.visits.mark(slot.database);
  // Of a blank directory nothing is worth keeping.
  if (slot.database === undefined) await discard(context, slot.directory);
  const wanted = !inOrder && slot.database !== undefined && slot.state === 'running';
  if (!wanted || context.ending.now || context.heartbeat.isFenced()) {
    slots.vacate(slot);
    return;
  }
  const history = restarts.get(slot.database ?? '') ?? [];
  restarts.set(slot.database ?? '', history);
  if (mayRestart(history, performance.now())) return restart(watching, slot);
  log.error({ database: slot.database, epoch: slot.epoch }, 'crashes too often: left down');
  slots.vacate(slot);
}

async function ended(
  watching: Watching,
  incarnation: Incarnation,
  inOrder: boolean,
): Promise<void> {
  const { slots, queues, log } = watching.context;
  const holder = (): Slot | undefined => {
    const slot = slots.get(incarnation);
    return slot?.incarnation === incarnation ? slot : undefined;
  };
  const slot = holder();
  if (slot === undefined || incarnation.ending) return;
  log.warn({ database: slot.database, epoch: slot.epoch, in_order: inOrder }, 'Postgres ended');
  await queues.run(slot.database ?? directoryQueue(slot.directory), async () => {
    const current = holder();
    if (current === undefined || incarnation.ending) return;
    await clearEnded(watching, current, incarnation, inOrder);
  });
}

function watch(watching: Watching, incarnation: Incarnation): void {
  void incarnation.process.exited.then((inOrder) => ended(watching, incarnation, inOrder));
}

async function clear(context: AgentContext, slot: Slot, reason: string): Promise<void> {
  const { slots, incarnations } = context;
  slots.update({ ...slot, state: 'stopping' });
  if (slot.incarnation !== undefined) await incarnations.stop(slot.incarnation, 0);
  note(context, 'crashed', slot, reason);
  slots.vacate(slot);
}

export function createSupervision(context: AgentContext): Supervision {
  const watching: Watching = { context, restarts: new Map() };
  return {
    watch: (incarnation) => watch(watching, incarnation),
    clear: (slot, reason) => clear(context, slot, reason),
  };
}
