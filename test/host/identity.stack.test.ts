import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFile, readdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AppError } from '../../model/errors.ts';
import type { Identity } from '../../model/identity.ts';
import {
  createStage,
  newDatabase,
  newIdentity,
  refusal,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let one: Host;
let two: Host;

beforeAll(async () => {
  stage = await createStage();
  [one, two] = await Promise.all([
    stage.startHost({ host: 'host-1' }),
    stage.startHost({ host: 'host-2' }),
  ]);
});

afterAll(() => stage.remove());

const read = (host: Host, database: string): Promise<Identity> =>
  host.get(`/v1/identity/${database}`);

it('writers that come together lose no change', async () => {
  const database = newDatabase();
  await one.create(database);
  /** Reads, changes and writes until nobody came between. @returns conflicts met. */
  async function add(host: Host, label: string): Promise<number> {
    for (let conflicts = 0; ; conflicts++) {
      const document = await read(host, database);
      const next = { ...document, labels: { ...document.labels, [label]: 'yes' } };
      try {
        await host.put(`/v1/identity/${database}`, {
          expected_version: document.version,
          document: next,
        });
        return conflicts;
      } catch (error) {
        expect(error).toMatchObject({ code: 'identity_conflict' });
      }
    }
  }
  const labels = Array.from({ length: 12 }, (_, i) => `label-${i}`);
  const conflicts = await Promise.all(
    labels.map((label, i) => add(i % 2 === 0 ? one : two, label)),
  );
  const document = await read(one, database);
  expect(Object.keys(document.labels).sort()).toEqual([...labels].sort());
  expect(document.version).toBe(1 + labels.length);
  // They did meet, or this test has shown nothing.
  expect(conflicts.reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
  expect(await readdir(stage.volume.database(database).folder)).toEqual([
    'identity.json',
    'identity.lock',
  ]);
});

it('a database is made once, whoever else makes it at the same time', async () => {
  const database = newDatabase();
  const both = await Promise.allSettled([one.create(database, 2), two.create(database, 2)]);
  const made = both.filter((result) => result.status === 'fulfilled');
  expect(made).toHaveLength(1);
  const [loser] = both.filter((result) => result.status === 'rejected');
  expect(loser?.reason).toMatchObject({ code: 'identity_conflict' });
  const { directory } = await read(one, database);
  expect(made[0]?.value).toMatchObject({ directory });
  // What the loser had made is gone: every directory belongs to a database.
  for (const name of await readdir(stage.volume.directories)) {
    const hint = await readFile(stage.volume.directory(name).hint, 'utf8');
    expect((await read(one, hint.trim())).directory).toBe(name);
  }
});

it('a create that is repeated answers the same', async () => {
  const database = newDatabase();
  const first = await one.create(database, 3);
  expect(await one.create(database, 4)).toMatchObject({
    directory: first.directory,
    epoch: 1,
    address: first.address,
  });
  const other = { database, size: 'small', slot: 4, source: 'clone' };
  const identity = newIdentity(database, { tenant: 'other' });
  expect((await refusal(one.post('create', { ...other, identity }))).code).toBe(
    'identity_conflict',
  );
});

it('what is not a document is refused, field by field', async () => {
  const database = newDatabase();
  await one.create(database, 5);
  const document = await read(one, database);
  const put = (body: unknown): Promise<unknown> => one.put(`/v1/identity/${database}`, body);
  for (const body of [
    undefined,
    [],
    { expected_version: 1 },
    { expected_version: '1', document },
    { expected_version: 1, document: { ...document, idle_ms: -1 } },
    { expected_version: 1, document: { ...document, id: newDatabase() } },
    { expected_version: 1, document: { ...document, directory: 'a'.repeat(16) } },
    { expected_version: 1, document: { ...document, roles: { owner: 'x' } } },
  ])
    expect((await refusal(put(body))).code).toBe('bad_request');
  expect((await refusal(put({ expected_version: 9, document }))).code).toBe('identity_conflict');
  expect(await read(one, database)).toEqual(document);
  const unknown = newDatabase();
  expect((await refusal(one.get(`/v1/identity/${unknown}`))).code).toBe('database_not_found');
});

it('requests that are not valid are refused by name, and change nothing', async () => {
  const database = newDatabase();
  const before = (await one.state()).slots;
  const ref = { size: 'small', slot: 6 };
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['attach', undefined, 'bad_request'],
    ['attach', 'text', 'bad_request'],
    ['attach', { ...ref, database }, 'bad_request'],
    ['attach', { ...ref, database, epoch: 1.5 }, 'bad_request'],
    ['attach', { ...ref, database: '../../etc', epoch: 1 }, 'bad_request'],
    ['attach', { ...ref, database, epoch: 1, slot: 99 }, 'bad_request'],
    ['attach', { ...ref, database, epoch: 1, size: 'huge' }, 'unknown_size'],
    ['attach', { ...ref, database, epoch: 1 }, 'database_not_found'],
    ['create', { ...ref, database, source: 'magic' }, 'bad_request'],
    ['create', { ...ref, database, source: 'clone', identity: {} }, 'bad_request'],
    ['create', { ...ref, database, source: 'warm', identity: newIdentity(database) }, 'slot_taken'],
    ['suspend', { database, epoch: 1 }, 'bad_request'],
    ['warm', {}, 'bad_request'],
    ['recycle', { size: 'small' }, 'bad_request'],
  ];
  for (const [verb, body, code] of cases)
    expect([verb, body, (await refusal(one.post(verb, body))).code]).toEqual([verb, body, code]);
  expect((await one.state()).slots).toEqual(before);
  expect((await refusal(one.get('/v1/nothing'))).code).toBe('not_found');
});

it('without its volume an agent does not say that there is no such database', async () => {
  const database = newDatabase();
  await two.create(database, 6);
  const path = `/v1/identity/${database}`;
  const document = await read(two, database);
  const write = { expected_version: document.version, document };
  const root = dirname(stage.volume.file);
  const gone = { code: 'unavailable', detail: 'the volume is not there' };
  for (;;) {
    let refused: readonly AppError[];
    await rename(root, `${root}.away`);
    try {
      refused = [await refusal(two.get(path)), await refusal(two.put(path, write))];
    } finally {
      await rename(`${root}.away`, root);
    }
    const after = await read(two, database).catch(() => undefined);
    if (after !== undefined) {
      expect(refused).toMatchObject([gone, gone]);
      expect(after).toEqual(document);
      break;
    }
    // It looks for its volume once a second, and ends without it: that was just then.
    await two.ended;
    two = await stage.startHost({ host: 'host-2' });
  }
  expect(await refusal(two.get(`/v1/identity/${newDatabase()}`))).toMatchObject({
    code: 'database_not_found',
  });
});
