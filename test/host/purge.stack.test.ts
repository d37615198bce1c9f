/** What becomes of the data of a deleted database, and that they can come back until then. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { access, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from '../../model/identity.ts';
import type { PurgeAnswer } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  query,
  refusal,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let one: Host;
let two: Host;
let slot = 0;

beforeAll(async () => {
  stage = await createStage();
  [one, two] = await Promise.all([
    stage.startHost({ host: 'host-1' }),
    stage.startHost({ host: 'host-2' }),
  ]);
});
afterAll(() => stage.remove());

async function asleep(): Promise<{ database: string; directory: string }> {
  const database = newDatabase();
  const at = await one.create(database, ++slot);
  await query(at.address, 'create table kept as select 7 as n');
  await one.post('suspend', { database, epoch: at.epoch, if_idle: false });
  return { database, directory: at.directory };
}

const purge = (host: Host, database: string) =>
  host.remove<PurgeAnswer>(`/v1/directories/${database}`);

async function tombstone(host: Host, database: string, deleted_at: string | null): Promise<void> {
  const document = await host.get<Identity>(`/v1/identity/${database}`);
  await host.put(`/v1/identity/${database}`, {
    expected_version: document.version,
    document: { ...document, deleted_at },
  });
}

const AT = '2026-11-23T00:00:00.000Z';

it('the data of what is not deleted stay', async () => {
  const { database, directory } = await asleep();
  expect(await refusal(purge(one, database))).toMatchObject({ code: 'not_deleted' });
  await access(stage.volume.directory(directory).data);
  expect(await refusal(purge(one, newDatabase()))).toMatchObject({ code: 'database_not_found' });
  expect(await refusal(one.remove('/v1/directories/x'))).toMatchObject({ code: 'bad_request' });
});

it('a purge removes the data, keeps tombstone and lock, and answers the same proof again', async () => {
  const { database, directory } = await asleep();
  const { data, folder } = stage.volume.directory(directory);
  const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  await tombstone(one, database, AT);
  const proof = await purge(two, database);
  expect(proof).toMatchObject({ directory, files: files.length });
  expect(proof.bytes).toBeGreaterThan(1_000_000);
  expect((await readdir(folder)).sort()).toEqual(['database', 'lock', 'run']);
  expect(await purge(two, database)).toEqual(proof);
  expect(await purge(one, database)).toEqual(proof);
  expect(await refusal(one.attach(database, 9, slot))).toMatchObject({ code: 'database_deleted' });
  // Nothing leads back: what is taken back would be a database without data.
  expect(await refusal(tombstone(one, database, null))).toMatchObject({ code: 'database_deleted' });
  expect((await one.get<Identity>(`/v1/identity/${database}`)).deleted_at).toBe(AT);
});

it('a tombstone that is taken back leaves the data as they were', async () => {
  const { database } = await asleep();
  await tombstone(one, database, AT);
  await tombstone(one, database, null);
  expect(await refusal(purge(one, database))).toMatchObject({ code: 'not_deleted' });
  const at = await one.attach(database, 2, slot);
  expect(await query(at.address, 'select n from kept')).toEqual([{ n: 7 }]);
  await one.post('suspend', { database, epoch: 2, if_idle: false });
});

it('what still runs is ended where it runs, and is in nobody else’s power', async () => {
  const { database, directory } = await asleep();
  await one.attach(database, 2, slot);
  await tombstone(two, database, AT);
  const refused = await refusal(purge(two, database)).catch(() => undefined);
  // Its own host may have ended it by itself meanwhile.
  if (refused !== undefined) expect(refused).toMatchObject({ code: 'held_elsewhere' });
  await purge(one, database);
  expect(await stage.processes(directory).catch(() => [])).toEqual([]);
  expect((await one.state()).slots.filter((s) => s.database === database)).toEqual([]);
});

it('a purge that was cut short goes on where it was', async () => {
  const { database, directory } = await asleep();
  const { data, folder } = stage.volume.directory(directory);
  await tombstone(one, database, AT);
  const proof = await purge(one, database);
  // As after a crash between the rename and the removal.
  const other = await asleep();
  await rename(stage.volume.directory(other.directory).data, join(folder, '.purged'));
  expect(await purge(one, database)).toEqual(proof);
  expect((await readdir(folder)).sort()).toEqual(['database', 'lock', 'run']);
  await expect(access(data)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('an agent that starts later leaves a purged directory alone', async () => {
  const { database, directory } = await asleep();
  await tombstone(one, database, AT);
  await purge(one, database);
  await one.kill();
  one = await stage.startHost({ host: 'host-1' });
  await until('it is ready', () => one.get('/readyz'));
  expect((await readdir(stage.volume.directory(directory).folder)).sort()).toEqual([
    'database',
    'lock',
    'run',
  ]);
  expect(one.log()).not.toContain('could not be looked at');
});
