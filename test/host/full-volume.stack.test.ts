/**
 * A volume that has room for a part of what is written: write(2) then takes that part and reports no
 * error. Root only, since the volume is a small tmpfs.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { statSync } from 'node:fs';
import { mkdtemp, readdir, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountDisk, type Disk } from '../../bench/chaos/disk.ts';
import { openJournal, type Journal } from '../../host/journal.ts';
import { isRoot } from '../../host/prepare.ts';
import { createRunFile, openRunFile } from '../../host/run-record.ts';
import { createLogger } from '../../lib/log.ts';

const asRoot = isRoot() ? test : test.skip;
const PAGE_BYTES = 4096;
let folder: string;
let disk: Disk | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-full-'));
  disk = isRoot() ? await mountDisk(folder, 4) : undefined;
});

afterEach(async () => {
  await disk?.unmount();
  await rm(folder, { recursive: true, force: true });
});

/** Only so many bytes are left, in whole pages. */
async function leave(bytes: number): Promise<void> {
  const ballast = join(folder, 'rest');
  await writeFile(ballast, Buffer.alloc(bytes));
  await disk?.fill();
  await truncate(ballast, 0);
  const { bavail, bsize } = await statfs(folder);
  expect(bavail * bsize).toBe(bytes);
}

const EVENT = {
  kind: 'started',
  directory: 'd',
  database: 'db-a',
  epoch: 1,
  size: 'small',
} as const;

async function failedWrites(journal: Journal, count: number): Promise<void> {
  for (let i = 0; i < count; i++) journal.append(EVENT);
  // The journal tries again after a second: by then the first try has failed.
  await new Promise((resolve) => setTimeout(resolve, 200));
}

asRoot('a journal that a full volume cut short loses no event once there is room', async () => {
  const log = createLogger('test', 'fatal');
  const journal = await openJournal({ folder: join(folder, 'journal'), host: 'h', boot: 1, log });
  journal.append(EVENT);
  await journal.flushed();
  const [segment = ''] = await readdir(join(folder, 'journal'));
  const size = (): number => statSync(join(folder, 'journal', segment)).size;
  const before = size();
  expect(before % PAGE_BYTES).not.toBe(0);

  await leave(0);
  // More than the rest of the page.
  await failedWrites(journal, 100);
  expect(size()).toBe(before);
  await disk?.empty();
  await journal.flushed();
  journal.append(EVENT);
  await journal.flushed();
  const events = await journal.after({ boot: 0, seq: 0 }, 1_000);
  expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 102 }, (_, i) => i + 1));
  await journal.close();
});

asRoot('a run record that has no room as a whole is not made', async () => {
  const path = join(folder, 'run');
  await leave(PAGE_BYTES);
  const record = { host: 'h', boot: 1, epoch: 0, machine: 'm', released: true };
  await expect(createRunFile(path, record)).rejects.toMatchObject({ code: 'ENOSPC' });
  await disk?.empty();
  await rm(path);
  await createRunFile(path, record);
  const file = await openRunFile(path);
  expect(await file?.read()).toMatchObject(record);
  await file?.close();
});
