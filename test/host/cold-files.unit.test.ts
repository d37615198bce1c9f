import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coldCopy, coldRemove } from '../../host/cold-files.ts';
import { leaveNoGroup } from '../../lib/priority.ts';
import { canLower, isLowered } from '../support/lowered.ts';

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

/** Looks at every process that runs on this folder until the work is done. */
async function lookedAt(work: Promise<unknown>): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  let done = false;
  void work.finally(() => (done = true));
  while (!done) {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        if (words[0] === 'sh' || words[0] === '/bin/sh' || !words.join(' ').includes(folder))
          continue;
        seen.add(`${words[0]} ${isLowered(Number(pid)) ? 'lowered' : 'not lowered'}`);
      } catch {
        // It has ended.
      }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return seen;
}

test('all that copies is lowered before it begins, where the machine can', async () => {
  const how = canLower() ? 'lowered' : 'not lowered';
  const { uid, gid } = await stat(folder);
  await writeFile(join(folder, 'from/large'), Buffer.alloc(64 * 1024 * 1024, 1));
  for (let n = 0; n < 8; n++) {
    const to = join(folder, `to-${n}`);
    const seen = await lookedAt(coldCopy(join(folder, 'from'), to, { uid, gid }));
    expect([...seen]).toContain(`cp ${how}`);
    expect([...seen].filter((one) => !one.endsWith(` ${how}`))).toEqual([]);
    await rm(to, { recursive: true });
  }
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
