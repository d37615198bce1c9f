/** Counts the slots of a report. */
import type { SizeName } from './sizes.ts';
import type { HostReport } from './wire.ts';

export type SlotKind = 'vacant' | 'warm' | 'assigned';
export type Slots = Partial<Record<SizeName, Record<SlotKind, number>>>;

export function slotsOf({ capacity, slots }: Pick<HostReport, 'capacity' | 'slots'>): Slots {
  const out: Slots = {};
  for (const [size, vacant] of Object.entries(capacity) as [SizeName, number][])
    out[size] = { vacant, warm: 0, assigned: 0 };
  for (const { size, state } of slots) {
    const of = (out[size] ??= { vacant: 0, warm: 0, assigned: 0 });
    of.vacant -= 1;
    of[state === 'warm' ? 'warm' : 'assigned'] += 1;
  }
  return out;
}

export const countOf = (slots: Slots, kind: SlotKind): number =>
  Object.values(slots).reduce((sum, of) => sum + of[kind], 0);
