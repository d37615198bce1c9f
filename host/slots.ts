/**
 * The host's slots: who has which, and how often that has changed. The one owner of this truth in
 * the process; whoever changes it gets the version that the change made.
 */
import { AppError } from '../model/errors.ts';
import type { SizeName } from '../model/sizes.ts';
import type { Version } from '../model/version.ts';
import type { Address, SlotRef, SlotReport } from '../model/wire.ts';
import type { Incarnation } from './incarnation.ts';

export interface Slot extends SlotRef {
  readonly state: SlotReport['state'];
  /** '' while it is not known yet; such a slot is taken, but not reported. */
  readonly directory: string;
  readonly epoch: number;
  readonly database?: string;
  readonly address?: Address;
  /** The processes, from the moment they are ready. */
  readonly incarnation?: Incarnation;
}

export type Capacity = Readonly<Partial<Record<SizeName, number>>>;

export interface Slots {
  readonly capacity: Capacity;
  /** @throws AppError `slot_taken`, or `bad_request` for a slot that this host does not have. */
  readonly occupy: (slot: Slot) => void;
  /** Replaces what is known of an occupied slot. @returns the version of this change. */
  readonly update: (slot: Slot) => Version;
  readonly vacate: (ref: SlotRef) => Version;
  /** A change of the version alone, so that the next sync is taken and repairs the index. */
  readonly bump: () => Version;
  readonly version: () => Version;
  readonly get: (ref: SlotRef) => Slot | undefined;
  readonly byDatabase: (database: string) => Slot | undefined;
  readonly byDirectory: (directory: string) => Slot | undefined;
  readonly all: () => readonly Slot[];
  readonly report: () => readonly SlotReport[];
  /**
   * The highest vacant slot of a size, undefined if all are taken: the index claims from the lowest
   * on, so that the two seldom meet.
   */
  readonly vacant: (size: SizeName) => number | undefined;
  readonly onChange: (listener: () => void) => void;
}

/** The slot without what belongs to a run. */
export function withoutRun(slot: Slot, state: Slot['state'], epoch: number): Slot {
  const { size, slot: number, directory, database } = slot;
  return {
    size,
    slot: number,
    state,
    directory,
    epoch,
    ...(database === undefined ? {} : { database }),
  };
}

const keyOf = ({ size, slot }: SlotRef): string => `${size}:${slot}`;

function reportOf(slot: Slot): SlotReport {
  return {
    size: slot.size,
    slot: slot.slot,
    state: slot.state,
    directory: slot.directory,
    epoch: slot.epoch,
    ...(slot.database === undefined ? {} : { database: slot.database }),
    ...(slot.address === undefined ? {} : { address: slot.address }),
  };
}

export function createSlots(capacity: Capacity, boot: number): Slots {
  const taken = new Map<string, Slot>();
  const listeners: (() => void)[] = [];
  let version = 0;

  function changed(): Version {
    version += 1;
    for (const listener of listeners) listener();
    return { boot, version };
  }

  function find(matches: (slot: Slot) => boolean): Slot | undefined {
    for (const slot of taken.values()) if (matches(slot)) return slot;
    return undefined;
  }

  return {
    capacity,
    occupy(slot) {
      if (slot.slot < 1 || slot.slot > (capacity[slot.size] ?? 0))
        throw new AppError('bad_request', { detail: 'this host has no such slot' });
      if (taken.has(keyOf(slot))) throw new AppError('slot_taken');
      taken.set(keyOf(slot), slot);
      changed();
    },
    update(slot) {
      if (!taken.has(keyOf(slot))) throw new Error(`BUG: slot ${keyOf(slot)} is not occupied`);
      taken.set(keyOf(slot), slot);
      return changed();
    },
    vacate(ref) {
      taken.delete(keyOf(ref));
      return changed();
    },
    bump: changed,
    version: () => ({ boot, version }),
    get: (ref) => taken.get(keyOf(ref)),
    byDatabase: (database) => find((slot) => slot.database === database),
    byDirectory: (directory) => find((slot) => slot.directory === directory),
    all: () => [...taken.values()],
    report: () => [...taken.values()].filter((slot) => slot.directory !== '').map(reportOf),
    vacant(size) {
      for (let slot = capacity[size] ?? 0; slot > 0; slot--)
        if (!taken.has(keyOf({ size, slot }))) return slot;
      return undefined;
    },
    onChange: (listener) => void listeners.push(listener),
  };
}
