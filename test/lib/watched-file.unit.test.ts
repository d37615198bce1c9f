import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigError } from '../../lib/config-error.ts';
import { replaceFile } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import { openWatchedFiles, type WatchedFile } from '../../lib/watched-file.ts';

let folder: string;
let path: string;
let file: WatchedFile<number> | undefined;
const said: string[] = [];
const log = {
  info: () => undefined,
  error: (_: object, text: string) => said.push(text),
} as unknown as Logger;

function parse(text: string): number {
  if (!/^\d+$/.test(text)) throw new ConfigError('it is no number');
  return Number(text);
}
const open = (more: object = {}) =>
  openWatchedFiles({ paths: [path], what: 'the file', parse, log, ...more });

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds() && i < 200; i++) await pause(50);
  expect(holds()).toBe(true);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-watched-'));
  path = join(folder, 'number');
  said.length = 0;
});
afterEach(async () => {
  file?.stop();
  file = undefined;
  await rm(folder, { recursive: true });
});

test('what is written holds soon, whether the file is replaced or written in its place', async () => {
  await writeFile(path, '1');
  file = await open({ lookMs: 5 });
  expect(file.current()).toBe(1);
  await replaceFile(path, '2');
  await until(() => file?.current() === 2);
  await writeFile(path, '30');
  await until(() => file?.current() === 30);
});

test('what held before holds while the file is wrong or away, which is said once', async () => {
  await writeFile(path, '1');
  file = await open({ lookMs: 5 });
  await writeFile(path, 'one');
  await until(() => said.length > 0);
  await rm(path);
  await pause(50);
  expect(file.current()).toBe(1);
  await replaceFile(path, '2');
  await until(() => file?.current() === 2);
  expect(said).toHaveLength(1);
});

test('files of one thing are read again together when one changes', async () => {
  const other = join(folder, 'other');
  await writeFile(path, '1');
  await writeFile(other, '2');
  const sum = (one: string, two: string): number => parse(one) + parse(two);
  file = await openWatchedFiles({ paths: [path, other], what: 'they', parse: sum, log, lookMs: 5 });
  expect(file.current()).toBe(3);
  await writeFile(other, 'x');
  await until(() => said.length > 0);
  expect(file.current()).toBe(3);
  await writeFile(path, '40');
  await writeFile(other, '2');
  await until(() => file?.current() === 42);
});

test('a file that is not there or wrong is not opened', async () => {
  await expect(open()).rejects.toThrow(`the file, ${path}, can not be read`);
  await writeFile(path, 'one');
  await expect(open()).rejects.toThrow('it is no number');
  await writeFile(path, '1');
  file = await open();
  expect(file.current()).toBe(1);
});
