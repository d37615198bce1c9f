/**
 * What an agent's run folder has for the proxies of its machine, beside its incarnations: a socket at
 * which they ask who may log in, and of each database whose roles SQL has changed a mark.
 */
import { statSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** @param folder of an incarnation, as `address.socket` names it. */
export const runFolderOf = (folder: string): string => dirname(folder);

export const accessSocketIn = (run: string): string => join(run, 'access.sock');

const marksIn = (run: string): string => join(run, 'roles');

/** Folders that proxies may look into but not list. */
const MARKS_MODE = 0o711;

export async function makeMarks(run: string): Promise<void> {
  await mkdir(marksIn(run), { recursive: true, mode: MARKS_MODE });
}

/** Leaves a mark before SQL's word is in the document: an empty file, whose time is the version. */
export async function mark(run: string, database: string, version: number): Promise<void> {
  const file = await open(join(marksIn(run), database), 'w', 0o600);
  try {
    await file.utimes(version, version);
  } finally {
    await file.close();
  }
}

/** Synchronously: it is memory or a local disk, and a wake waits for it. @returns 0 without a mark. */
export function readMark(run: string, database: string): number {
  const found = statSync(join(marksIn(run), database), { throwIfNoEntry: false });
  return found === undefined ? 0 : Math.round(found.mtimeMs / 1000);
}
