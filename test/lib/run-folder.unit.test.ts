/** What an agent leaves in its run folder for proxies. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accessSocketIn, makeMarks, mark, readMark, runFolderOf } from '../../lib/run-folder.ts';

let run: string;
beforeAll(async () => {
  run = await mkdtemp(join(tmpdir(), 'run-'));
});
afterAll(() => rm(run, { recursive: true }));

test('a mark says the version that it was left with, and none says 0', async () => {
  await makeMarks(run);
  await makeMarks(run);
  expect(readMark(run, 'a')).toBe(0);
  for (const version of [1, 2, 1_000_000]) {
    await mark(run, 'a', version);
    expect(readMark(run, 'a')).toBe(version);
  }
  expect(readMark(run, 'b')).toBe(0);
});

test('the folder is found by an incarnation of its own', () => {
  expect(accessSocketIn(runFolderOf(`${run}/directory.7`))).toBe(join(run, 'access.sock'));
});
