/** What the agent's verbs work with. Put together once, in agent.ts. */
import { AppError } from '../model/errors.ts';
import type { Address, Asked, Incarnation as IncarnationAnswer } from '../model/wire.ts';
import type { Version } from '../model/version.ts';
import type { Logger } from '../lib/log.ts';
import { placeText } from '../lib/place.ts';
import type { Directories } from './directories.ts';
import type { Guests } from './guests.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Holdings } from './holding.ts';
import type { Identities } from './identity.ts';
import type { Incarnation, Incarnations } from './incarnation.ts';
import type { HeldLock } from './lock.ts';
import type { Journal, NewEvent } from './journal.ts';
import { SOCKET_PORT } from './postgres.ts';
import type { Queues } from './queues.ts';
import type { Roles } from './roles.ts';
import type { Slot, Slots } from './slots.ts';
import type { FollowedSpace } from './space.ts';
import type { Unhurried } from './unhurried.ts';
import type { Visits } from './visits.ts';
import type { Volume } from './volume.ts';
import type { WakeMemory } from './wakes.ts';

export interface AgentContext {
  readonly host: string;
  /** The folder of incarnations' sockets and logs. */
  readonly run: string;
  /** `host:port` of the machine's gate; '' for none. */
  readonly gate: string;
  readonly volume: Volume;
  readonly space: FollowedSpace;
  readonly slots: Slots;
  readonly queues: Queues;
  readonly unhurried: Unhurried;
  readonly heartbeat: Heartbeat;
  readonly journal: Journal;
  readonly identities: Identities;
  readonly directories: Directories;
  readonly holdings: Holdings;
  readonly incarnations: Incarnations;
  readonly guests: Guests;
  readonly roles: Roles;
  readonly visits: Visits;
  readonly wakes: WakeMemory;
  readonly log: Logger;
  /** Kept here for as long as the agent lives. */
  readonly hostLock: HeldLock;
  /** Set once the agent is to end: no new work. */
  readonly ending: { now: boolean };
}

export const addressOf = (incarnation: Incarnation): Address => ({
  socket: incarnation.folder,
  port: SOCKET_PORT,
});

/** The same as it is told to others. */
export const toldAddress = ({ gate }: AgentContext, incarnation: Incarnation): Address => ({
  socket: placeText(gate, incarnation.folder),
  port: SOCKET_PORT,
});

/** The queue of a slot without a database. */
export const directoryQueue = (directory: string): string => `directory ${directory}`;

/** @throws AppError `shutting_down`, `fenced` where nothing new may be started. */
export function checkOpen(context: AgentContext): void {
  if (context.ending.now) throw new AppError('shutting_down');
  if (context.heartbeat.isFenced()) throw new AppError('fenced');
}

/** The answer about a running slot, with the version of the change that made it so. */
export function answerOf(slot: Slot, version: Version): IncarnationAnswer {
  if (slot.database === undefined || slot.address === undefined)
    throw new Error('BUG: an answer about a slot that runs no database');
  return {
    ...version,
    database: slot.database,
    directory: slot.directory,
    epoch: slot.epoch,
    address: slot.address,
  };
}

/** Notes what happened to a slot's directory in the journal. */
export function note(
  context: Pick<AgentContext, 'journal'>,
  kind: NewEvent['kind'],
  slot: Pick<Slot, 'directory' | 'database' | 'epoch' | 'size'>,
  reason?: string,
  asked: Asked = {},
): void {
  context.journal.append({
    kind,
    directory: slot.directory,
    epoch: slot.epoch,
    size: slot.size,
    ...(slot.database === undefined ? {} : { database: slot.database }),
    ...(reason === undefined ? {} : { reason }),
    ...(asked.cause === undefined ? {} : { cause: asked.cause }),
    ...(asked.request_id === undefined ? {} : { request_id: asked.request_id }),
  });
}
