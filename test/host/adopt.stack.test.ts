import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocks } from '../../host/lock.ts';
import { peekRunRecord } from '../../host/run-record.ts';
import { signal } from '../../host/processes.ts';
import type { WarmAnswer } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  newIdentity,
  query,
  session,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let host: Host;

beforeAll(async () => {
  stage = await createStage();
  host = await stage.startHost();
});

afterAll(() => stage.remove());

it('a new agent adopts what lives: same slot, same epoch, same sessions', async () => {
  const database = newDatabase();
  const made = await host.create(database, 3);
  const client = await session(made.address);
  const warm = await host.post<WarmAnswer>('warm', { size: 'small', slot: 6 });
  const before = (await host.state()).slots;
  await host.kill();
  host = await stage.startHost();
  const after = await host.state();
  expect(after.boot).toBe(2);
  expect(new Set(after.slots)).toEqual(new Set(before));
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await client.end();
  expect(await host.attach(database, 1, 3)).toMatchObject({ epoch: 1, address: made.address });
  // What was adopted can be ended, and a warm one still becomes a database's.
  expect(await host.post('suspend', { database, epoch: 1, if_idle: true })).toMatchObject({
    outcome: 'suspended',
  });
  const other = newDatabase();
  expect(
    await host.post('create', {
      database: other,
      size: 'small',
      slot: 6,
      source: 'warm',
      identity: newIdentity(other),
    }),
  ).toMatchObject({ directory: warm.directory, epoch: 1 });
  expect(await host.attach(database, 2, 3)).toMatchObject({ epoch: 2 });
});

it('an adopted Postgres that crashes starts again as the next epoch', async () => {
  const database = newDatabase();
  const { directory, address } = await host.create(database, 1);
  await query(address, 'create table kept (n int)', 'insert into kept values (1)');
  await host.kill();
  host = await stage.startHost();
  for (const pid of await stage.processes(directory)) signal(pid, 'SIGKILL');
  const slot = await until('epoch 2 runs', async () => {
    const { slots } = await host.state();
    return slots.find((s) => s.database === database && s.epoch === 2 && s.state === 'running');
  });
  if (slot.address === undefined) throw new Error('no address');
  expect(await query(slot.address, 'select n from kept')).toEqual([{ n: 1 }]);
});

it('of what died while no agent was there the next one writes that it is released', async () => {
  const database = newDatabase();
  const { directory } = await host.create(database, 2);
  await host.kill();
  for (const pid of await stage.processes(directory)) signal(pid, 'SIGKILL');
  await until('nothing is left', async () => (await stage.processes(directory)).length === 0);
  host = await stage.startHost();
  expect(await peekRunRecord(stage.volume.directory(directory).run)).toMatchObject({
    epoch: 1,
    released: true,
  });
  expect((await host.state()).slots.map((slot) => slot.database)).not.toContain(database);
  const events = await until('it is in the journal', async () => {
    const found = await stage.events('host-1');
    return found.some((e) => e.kind === 'released' && e.database === database) && found;
  });
  // No number twice: (host, boot, seq) is an event's name.
  expect(new Set(events.map((e) => `${e.boot} ${e.seq}`)).size).toBe(events.length);
});

it('a door that was closed when the agent died is opened again', async () => {
  const database = newDatabase();
  const { address } = await host.create(database, 4);
  await rename(`${address.socket}/.s.PGSQL.5432`, `${address.socket}/.s.PGSQL.5433`);
  await host.kill();
  host = await stage.startHost();
  expect(await query(address, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('blank directories that nobody runs are removed, those of databases stay', async () => {
  const warm = await host.post<WarmAnswer>('warm', { size: 'small', slot: 7 });
  const before = await readdir(stage.volume.directories);
  expect(before).toContain(warm.directory);
  await host.kill();
  for (const pid of await stage.processes(warm.directory)) signal(pid, 'SIGKILL');
  host = await stage.startHost();
  const expected = before.filter((name) => name !== warm.directory);
  const after = await until('it is removed', async () => {
    const found = await readdir(stage.volume.directories);
    return found.length <= expected.length && found;
  });
  expect(after).toEqual(expected);
  expect(after.length).toBeGreaterThan(0);
});

it('an agent is ready before what is blank is removed', async () => {
  const warm = await host.post<WarmAnswer>('warm', { size: 'small', slot: 7 });
  await host.kill();
  for (const pid of await stage.processes(warm.directory)) signal(pid, 'SIGKILL');
  // Whatever takes long about a removal, here somebody in no hurry has its lock.
  const locked = await createLocks({ enabled: true }).take(
    stage.volume.directory(warm.directory).lock,
    {
      waitSeconds: 5,
    },
  );
  if (typeof locked === 'string') throw new Error(locked);
  host = await stage.startHost();
  expect(await readdir(stage.volume.directories)).toContain(warm.directory);
  expect(await host.create(newDatabase(), 7)).toMatchObject({ epoch: 1 });
  await locked.close();
  await until(
    'it is removed',
    async () => !(await readdir(stage.volume.directories)).includes(warm.directory),
  );
});

it('a removal that an agent did not end is ended by the next', async () => {
  const { directory } = await host.post<WarmAnswer>('warm', { size: 'small', slot: 8 });
  const { directories, uids } = stage.volume;
  const { uid } = await stat(stage.volume.directory(directory).data);
  const users = await readdir(uids);
  await host.kill();
  for (const pid of await stage.processes(directory)) signal(pid, 'SIGKILL');
  const grave = `.${directory}${users.includes(String(uid)) ? `.${uid}` : ''}.gone`;
  await rename(join(directories, directory), join(directories, grave));
  host = await stage.startHost();
  await until('it is removed', async () => !(await readdir(directories)).includes(grave));
  const left = users.filter((name) => name !== String(uid));
  await until('its user is free', async () => (await readdir(uids)).length === left.length);
});

it('a shutdown ends everything in order and takes no more work', async () => {
  const { directory: blank } = await host.post<WarmAnswer>('warm', { size: 'small', slot: 8 });
  const names = await readdir(stage.volume.directories);
  const building = host.post('warm', { size: 'small' }).catch(() => undefined);
  await until(
    'one is being built',
    async () => (await readdir(stage.volume.directories)).length > names.length,
  );
  await host.post('shutdown', { grace_ms: 10_000 });
  await building;
  expect((await readdir(stage.volume.directories)).sort()).toEqual(
    names.filter((name) => name !== blank).sort(),
  );
  for (const name of await readdir(stage.volume.directories)) {
    expect(await stage.processes(name)).toEqual([]);
    expect((await peekRunRecord(stage.volume.directory(name).run))?.released ?? true).toBe(true);
  }
  await expect(host.attach(newDatabase(), 1)).rejects.toMatchObject({ code: 'shutting_down' });
});
