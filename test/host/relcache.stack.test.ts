/** The relation cache files of Postgres, from the end of one run to the first session of the next. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepRelcache } from '../../host/relcache.ts';
import type { Incarnation } from '../../model/wire.ts';
import { createStage, newDatabase, query, session, until } from '../support/host.ts';
import type { Host, Stage } from '../support/host.ts';

let stage: Stage;
let host: Host;
let database: string;
let run: Incarnation;
/** Of the owner's database. */
let oid: number;

beforeAll(async () => {
  stage = await createStage();
  host = await stage.startHost();
});
afterAll(() => stage.remove());

const paths = () => stage.volume.directory(run.directory);
const suspend = (): Promise<unknown> =>
  host.post('suspend', { database, epoch: run.epoch, if_idle: false });
const wake = async (): Promise<void> => void (run = await host.attach(database, run.epoch + 1));

/** The inode of the file of the owner's database; undefined if there is none. */
async function file(): Promise<number | undefined> {
  const path = join(paths().data, `base/${oid}/pg_internal.init`);
  return (await stat(path).catch(() => undefined))?.ino;
}

/** As the superuser, whom this test's own unix user is taken for. */
async function asSuperuser(...statements: string[]): Promise<void> {
  const client = await session(run.address, 'pilot');
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

beforeEach(async () => {
  database = newDatabase();
  run = await host.create(database);
  await query(run.address, 'create table kept (n int)', 'insert into kept values (7)');
  const [row] = await query(
    run.address,
    'select oid::int from pg_database where datname = current_database()',
  );
  oid = Number(row?.['oid']);
});

afterEach(() => suspend());

test('after an orderly end the next run has them before its first session', async () => {
  const before = await file();
  expect(before).toBeDefined();
  for (let i = 0; i < 3; i++) {
    await suspend();
    await wake();
    expect(await file()).toBe(before);
  }
  expect(await query(run.address, 'select n from kept')).toEqual([{ n: 7 }]);
});

test('they fit the catalogs, whatever was done to these before the end', async () => {
  for (let i = 0; i < 3; i++) {
    await asSuperuser(
      'vacuum full pg_class',
      'vacuum full pg_attribute',
      'vacuum full pg_opclass',
      'reindex system main',
      `create table t${i} (n int primary key)`,
      `insert into t${i} select generate_series(1, 1000)`,
      `grant select on t${i} to owner`,
    );
    if (i > 0) await query(run.address, 'select 1');
    await suspend();
    await wake();
    expect(await query(run.address, `select count(*)::int as n from t${i} where n > 0`)).toEqual([
      { n: 1000 },
    ]);
    expect(
      await query(run.address, `select relname from pg_class where oid = 't${i}'::regclass`),
    ).toEqual([{ relname: `t${i}` }]);
  }
  await asSuperuser('create extension if not exists plpgsql', 'analyze');
});

test('after a crash they are made anew', async () => {
  await suspend();
  await wake();
  const kept = await file();
  for (const pid of await stage.processes(run.directory)) process.kill(pid, 'SIGKILL');
  await until('a new run', async () => {
    const { slots } = await host.state();
    const slot = slots.find((s) => s.database === database && s.state === 'running');
    if (slot === undefined || slot.epoch <= run.epoch) return false;
    run = { ...run, epoch: slot.epoch };
    return true;
  });
  expect(kept).toBeDefined();
  expect(await file()).not.toBe(kept);
});

test('of another end than the last they are not put back', async () => {
  const before = await file();
  await suspend();
  const noteFile = join(paths().relcache, 'note');
  const note = JSON.parse(await readFile(noteFile, 'utf8')) as { control: string };
  await writeFile(
    noteFile,
    JSON.stringify({ ...note, control: note.control.replace(/^../, 'zz') }),
  );
  await wake();
  expect(before).toBeDefined();
  expect(await file()).not.toBe(before);
});

test('a note that a crash has torn, and another program, put nothing back', async () => {
  await suspend();
  await writeFile(join(paths().relcache, 'note'), '{"control": "');
  await wake();
  expect(await query(run.address, 'select n from kept')).toEqual([{ n: 7 }]);
  await suspend();
  const program = join(paths().folder, 'program');
  await writeFile(program, 'another');
  await utimes(program, 1, 1);
  await keepRelcache({ ...paths(), program });
  await wake();
  const saved = await stat(join(paths().relcache, `base.${oid}`));
  expect(await file()).not.toBe(saved.ino);
});

test('while Postgres runs nothing is kept', async () => {
  await keepRelcache({ ...paths(), program: process.execPath });
  await expect(stat(paths().relcache)).rejects.toMatchObject({ code: 'ENOENT' });
});
