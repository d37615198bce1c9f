/** Files that must be whole or absent after a crash. */
import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** fsyncs a folder, so that a rename or a new name in it survives a crash. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeAndSync(file: FileHandle, content: string): Promise<void> {
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Replaces a file durably: write beside it, fsync, rename, fsync of the folder. Readers see the old
 * or the new content, never a part.
 */
export async function replaceFile(path: string, content: string, mode = 0o600): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${process.pid}.${Date.now()}.draft`);
  try {
    await writeAndSync(await open(draft, 'wx', mode), content);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await syncFolder(folder);
}
