import { expect, test } from '@jest/globals';
import { placeOf, placeText } from '../../lib/place.ts';

const FOLDER = '/var/lib/pilotlight/run/abc.7';

test('a place is a folder, with the gate of its machine where there is one', () => {
  expect(placeText('', FOLDER)).toBe(FOLDER);
  expect(placeOf(FOLDER)).toEqual({ gate: undefined, folder: FOLDER });
  for (const gate of ['host-1.fleet:7480', '10.0.0.1:7480', '[fd00::1]:7480'])
    expect(placeOf(placeText(gate, FOLDER))).toEqual({ gate, folder: FOLDER });
});
