/** A database that the index does not know and whose document can not be read just now (host/sim.ts). */
import { expect, test } from '@jest/globals';
import { createAdopter } from '../../api/adopt.ts';
import { oneDatabase } from '../support/one-database.ts';
import { run } from '../support/rows.ts';

const given = oneDatabase();

test('it is asked for again until it is there, though no host speaks of it a second time', async () => {
  const one = given();
  const { parts } = one.fleet;
  for (const table of ['assignment', 'database']) await run(one.hot, `delete from ${table}`);
  const adopter = createAdopter(parts, () => Promise.resolve('a generation'));
  for (let times = 0; times < 2; times++)
    one.host.faults.add({ verb: 'readIdentity', kind: 'lose_request' });
  await adopter.adopt('host-1', [one.id], '');
  expect(await one.state()).toBeUndefined();
  expect(adopter.isOwed(one.id)).toBe(true);
  await adopter.pay();
  expect(await one.state()).toBeUndefined();
  await adopter.pay();
  expect(await one.state()).toBe('suspended');
  expect(adopter.isOwed(one.id)).toBe(false);
});
