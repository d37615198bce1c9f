import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coldCopy, coldRemove } from '../../host/cold-files.ts';
import { leaveNoGroup } from '../../lib/priority.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-clone-'));
  await mkdir(join(folder, 'from/base/1'), { recursive: true, mode: 0o700 });
  await mkdir(join(folder, 'from/empty'), { mode: 0o700 });
  await writeFile(join(folder, 'from/PG_VERSION'), '18\n', { mode: 0o600 });
  await writeFile(join(folder, 'from/base/1/1259'), 'pages', { mode: 0o600 });
});

afterEach(async () => {
  leaveNoGroup();
  await rm(folder, { recursive: true });
});

test('the copy has all files and folders, as private as they were', async () => {
  const { uid, gid } = await stat(folder);
  expect(await coldCopy(join(folder, 'from'), join(folder, 'to'), { uid, gid })).toBe(true);
  expect(await readFile(join(folder, 'to/PG_VERSION'), 'utf8')).toBe('18\n');
  expect(await readFile(join(folder, 'to/base/1/1259'), 'utf8')).toBe('pages');
  for (const name of ['', 'base', 'base/1', 'empty'])
    expect((await stat(join(folder, 'to', name))).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder, 'to/base/1/1259'))).mode & 0o777).toBe(0o600);
});

test('what can not be copied is said so', async () => {
  expect(await coldCopy(join(folder, 'absent'), join(folder, 'to'), undefined)).toBe(false);
});

test('a copy that takes too long is ended, with all that it has started', async () => {
  const files = Array.from({ length: 500 }, (_, n) => join(folder, `from/base/1/${n}`));
  await Promise.all(files.map((file) => writeFile(file, 'pages')));
  expect(await coldCopy(join(folder, 'from'), join(folder, 'to'), undefined, 0)).toBe(false);
});

test('a folder is removed with all that is in it; one that is not there is no failure', async () => {
  const path = join(folder, 'from');
  expect(await coldRemove(path)).toBe(true);
  await expect(stat(path)).rejects.toThrow('ENOENT');
  expect(await coldRemove(path)).toBe(true);
});
