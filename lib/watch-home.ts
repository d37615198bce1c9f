/** Ends a process whose home folder has been removed, so that a deleted home leaves nothing running. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isMissing } from './errno.ts';

const LOOK_MS = 1_000;

export interface HomeWatch {
  readonly stop: () => void;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** True while `path` is still the open file. */
async function isStill(path: string, fd: number): Promise<boolean> {
  const { ino, nlink } = fstatSync(fd);
  if (nlink === 0) return false;
  try {
    return (await stat(path)).ino === ino;
  } catch (error) {
    return !isMissing(error);
  }
}

/**
 * Looks for the file `path` every second and calls `gone` once when it is no longer there, or is
 * another file (a new home in the old one's place). An empty path is never watched.
 * The file is held open: a process that has dropped its privileges since may not reach the path any
 * more, but the open file still tells when its last name was removed.
 */
export function watchHome(path: string, gone: () => void): HomeWatch {
  if (path === '') return { stop: () => undefined };
  const fd = openIfThere(path);
  if (fd === undefined) {
    const soon = setImmediate(gone);
    return { stop: () => clearImmediate(soon) };
  }
  let watching = true;
  const stop = (): void => {
    if (!watching) return;
    watching = false;
    clearInterval(timer);
    closeSync(fd);
  };
  const look = async (): Promise<void> => {
    const there = await isStill(path, fd);
    if (there || !watching) return;
    stop();
    gone();
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  return { stop };
}
