/** Without the index a key is claimed on the volume, which has to be that of all hosts. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import type { Incarnation } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  newIdentity,
  refusal,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let host: Host;
beforeAll(async () => {
  stage = await createStage();
  await writeFile(stage.volume.file, JSON.stringify({ id: 'a'.repeat(16), kind: 'local' }));
  host = await stage.startHost({ slots: 'small=4' });
});
afterAll(() => stage.remove());

const REQUEST = 'a'.repeat(64);

function create(source: 'warm' | 'clone', key: object, slot?: number): Promise<Incarnation> {
  const database = newDatabase();
  const identity = newIdentity(database, key);
  return host.post('create', { database, size: 'small', source, slot, identity });
}

test('on a volume of one host a create with a key is refused unless the index names its slot', async () => {
  await host.post('warm', { size: 'small' });
  for (const source of ['warm', 'clone'] as const)
    expect(await refusal(create(source, { request: REQUEST }))).toMatchObject({
      code: 'unavailable',
    });
  expect(await create('clone', { request: REQUEST }, 3)).toMatchObject({ epoch: 1 });
  expect(await create('warm', {})).toMatchObject({ epoch: 1 });
  expect(await create('clone', {})).toMatchObject({ epoch: 1 });
});
