import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, isMissing } from '../../lib/errno.ts';
import { replaceFile, syncFolder } from '../../lib/files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a file that is replaced', () => {
  test('holds the new content and nobody else may read it', async () => {
    const path = join(folder, 'a.json');
    await replaceFile(path, 'old');
    await replaceFile(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['a.json']);
  });

  test('has the mode that is asked for', async () => {
    const path = join(folder, 'a.json');
    await replaceFile(path, 'new', 0o400);
    expect((await stat(path)).mode & 0o777).toBe(0o400);
  });

  test('stays as it was if the new one can not be put there, and no draft is left', async () => {
    await writeFile(join(folder, 'file'), '');
    expect(errnoOf(await failureOf(replaceFile(join(folder, 'file', 'a'), 'x')))).toBe('ENOTDIR');
    const taken = join(folder, 'taken');
    await replaceFile(taken, 'a file');
    expect(errnoOf(await failureOf(replaceFile(`${taken}/`, 'x')))).toBeDefined();
    expect(await readFile(taken, 'utf8')).toBe('a file');
    expect(await readdir(folder)).toEqual(['file', 'taken']);
  });
});

describe('errors of the file system', () => {
  test('are known by their names', async () => {
    const missing = await failureOf(syncFolder(join(folder, 'gone')));
    expect(isMissing(missing)).toBe(true);
    await writeFile(join(folder, 'file'), '');
    const other = await failureOf(syncFolder(join(folder, 'file')));
    expect(errnoOf(other)).toBe('ENOTDIR');
    expect(isMissing(other)).toBe(false);
  });

  test('and nothing else is taken for one', () => {
    for (const thrown of [new Error('x'), { code: 7 }, 'ENOENT', null, undefined])
      expect(errnoOf(thrown)).toBeUndefined();
  });
});
