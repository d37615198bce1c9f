import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { holdRelease, holdReleaseAll, holdRenew } from '../../../db/cold/hold-keep.ts';
import { holdTake } from '../../../db/cold/hold-take.ts';
import type { Cold } from '../../../db/cold/pool.ts';
import { ask, openTestCold } from '../../support/cold.ts';
import { createColdTestDatabase, type TestDatabase } from '../../support/database.ts';

describe('holds', () => {
  let database: TestDatabase;
  let cold: Cold;
  beforeAll(async () => {
    database = await createColdTestDatabase();
    cold = openTestCold(database);
  });
  afterAll(async () => {
    await cold.close();
    await database.drop();
  });
  beforeEach(async () => {
    await ask(cold, 'delete from hold');
  });

  const take = (owner: string, forMs = 60_000, id = 'db-a') =>
    holdTake(cold, { database: id, owner, kind: 'fleetMigration', forMs });

  test('of many at once one takes it, and the others hear who has it', async () => {
    const owners = ['a', 'b', 'c', 'd'];
    const taken = await Promise.all(owners.map((owner) => take(owner)));
    expect(taken.filter((answer) => answer.taken)).toHaveLength(1);
    const winner = owners[taken.findIndex((answer) => answer.taken)];
    expect(await take('e')).toEqual({ taken: false, owner: winner, kind: 'fleetMigration' });
  });

  test('the owner takes its own again', async () => {
    await take('a');
    expect(await take('a')).toEqual({ taken: true });
  });

  test('one that has run out is free for another, and its owner can not renew it', async () => {
    await take('a');
    await ask(cold, 'update hold set until = now()');
    expect(await holdRenew(cold, ['db-a'], 'a', 60_000)).toEqual([]);
    expect(await take('b')).toEqual({ taken: true });
    expect(await holdRenew(cold, ['db-a', 'db-b'], 'b', 60_000)).toEqual(['db-a']);
  });

  test('only its owner releases it', async () => {
    await take('a');
    await holdRelease(cold, 'db-a', 'b');
    expect(await take('b')).toMatchObject({ taken: false });
    await holdRelease(cold, 'db-a', 'a');
    expect(await take('b')).toEqual({ taken: true });
  });

  test('an owner gives up all that it has at once', async () => {
    await take('a', 60_000, 'db-a');
    await take('a', 60_000, 'db-b');
    await take('b', 60_000, 'db-c');
    await holdReleaseAll(cold, 'a');
    expect(await ask(cold, 'select database_id from hold')).toEqual([{ database_id: 'db-c' }]);
  });
});
