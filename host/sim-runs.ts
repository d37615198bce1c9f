/**
 * What a simulated agent works with, and how it runs and ends a "Postgres" that is only a note on the
 * simulated volume. Each step pauses where a real agent waits, so that anything may happen in between;
 * an agent that has died meanwhile goes no further.
 */
import { AppError } from '../model/errors.ts';
import type { Version } from '../model/version.ts';
import type { Address, Incarnation } from '../model/wire.ts';
import type { Journal } from './journal.ts';
import type { Queues } from './queues.ts';
import { mint, takeDirectory, type SimDirectory, type SimVolume } from './sim-volume.ts';
import type { Slot, Slots } from './slots.ts';

/** Where a real agent waits: for the lock, for the disk, for Postgres. */
export type SimStep =
  'occupied' | 'taken' | 'minted' | 'spawned' | 'stopping' | 'stopped' | 'bound';

export interface SimAgent {
  readonly host: string;
  readonly boot: number;
  readonly volume: SimVolume;
  readonly slots: Slots;
  readonly queues: Queues;
  readonly journal: Journal;
  readonly pace: (step: SimStep) => Promise<void>;
  /** True of a database with somebody at work in it. */
  readonly isBusy: (database: string) => boolean;
  dead: boolean;
  ending: boolean;
  fenced: boolean;
}

/** What a caller sees of an agent that died under it. */
export const gone = (): AppError => new AppError('unavailable', { detail: 'the agent died' });

export async function pause(agent: SimAgent, step: SimStep): Promise<void> {
  await agent.pace(step);
  if (agent.dead) throw gone();
}

export function checkOpen(agent: SimAgent): void {
  if (agent.dead) throw gone();
  if (agent.ending) throw new AppError('shutting_down');
  if (agent.fenced) throw new AppError('fenced');
}

/** As a real one: the folder names directory and epoch. Nothing is there. */
const addressOf = (directory: string, epoch: number): Address => ({
  socket: `/run/simulated/${directory}.${epoch}`,
  port: 5432,
});

export const nameOf = (slot: Slot): string => slot.database ?? `directory ${slot.directory}`;

export function directoryOf(agent: SimAgent, id: string): SimDirectory {
  const found = agent.volume.directory(id);
  if (found === undefined || found.purged)
    throw new AppError('start_failed', { detail: 'the data directory is gone' });
  return found;
}

/** The run that a slot holds, if it lives. */
export function processOf(agent: SimAgent, slot: Slot) {
  const found = agent.volume.directory(slot.directory)?.process;
  return found?.host === agent.host && found.epoch === slot.epoch ? found : undefined;
}

export function answerOf(
  agent: SimAgent,
  slot: Slot,
  version = agent.slots.version(),
): Incarnation {
  if (slot.database === undefined || slot.address === undefined)
    throw new Error('BUG: an answer about a slot that runs no database');
  const { database, directory, epoch, address } = slot;
  return { ...version, database, directory, epoch, address };
}

/** A line of the journal about a slot. */
export function note(
  agent: SimAgent,
  kind: Parameters<Journal['append']>[0]['kind'],
  slot: Pick<Slot, 'directory' | 'database' | 'epoch' | 'size'>,
  reason?: string,
): void {
  const { directory, epoch, size, database } = slot;
  agent.journal.append({
    ...{ kind, directory, epoch, size },
    ...(database === undefined ? {} : { database }),
    ...(reason === undefined ? {} : { reason }),
  });
}

/**
 * Runs a directory as exactly this epoch, undefined = the next one, in a slot that is occupied.
 * @param confirm throws if the document forbids it, after the minting.
 * @returns the slot as it is then; the caller takes it into `slots`.
 */
export async function startRun(
  agent: SimAgent,
  slot: Slot,
  asked: number | undefined,
  confirm: () => void,
): Promise<Slot> {
  const { host, volume } = agent;
  const directory = directoryOf(agent, slot.directory);
  const free = takeDirectory(volume, directory, host);
  let epoch: number;
  try {
    await pause(agent, 'taken');
    epoch = mint(directory, host, asked);
    await pause(agent, 'minted');
    try {
      confirm();
    } catch (error) {
      directory.released = true;
      throw error;
    }
    const { size, slot: number } = slot;
    directory.process = { host, epoch, size, slot: number, answers: true };
  } finally {
    // The process holds the lock from here on; without one it is free.
    free();
  }
  await pause(agent, 'spawned');
  return { ...slot, epoch, address: addressOf(slot.directory, epoch) };
}

/** Ends what a slot runs, in order or not, and empties the slot. */
export async function endRun(
  agent: SimAgent,
  slot: Slot,
  kind: 'suspended' | 'crashed',
  reason: string,
): Promise<Version> {
  agent.slots.update({ ...slot, state: 'stopping' });
  await pause(agent, 'stopping');
  const directory = agent.volume.directory(slot.directory);
  if (directory?.host === agent.host && directory.epoch === slot.epoch) {
    directory.process = undefined;
    directory.released = true;
  }
  await pause(agent, 'stopped');
  note(agent, kind, slot, reason);
  return agent.slots.vacate(slot);
}
