import { expect, test } from '@jest/globals';
import { countOf, slotsOf } from '../../model/slots.ts';
import type { SlotReport } from '../../model/wire.ts';

const slot = (state: SlotReport['state'], size: SlotReport['size'] = 'small'): SlotReport => ({
  ...{ size, slot: 1, state, directory: 'd', epoch: 1 },
});

test('a report counts its slots by size and kind', () => {
  const slots = slotsOf({
    capacity: { small: 5 },
    slots: [slot('warm'), slot('running'), slot('building'), slot('running', 'medium')],
  });
  expect(slots.small).toEqual({ vacant: 2, warm: 1, assigned: 2 });
  // More than there is room for: the size was taken away while it ran.
  expect(slots.medium).toEqual({ vacant: -1, warm: 0, assigned: 1 });
  expect(countOf(slots, 'assigned')).toBe(3);
});
