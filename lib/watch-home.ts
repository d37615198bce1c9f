/** Ends a process whose home folder has been removed, so that a deleted home leaves nothing running. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isMissing } from './files.ts';

const LOOK_MS = 1_000;

/**
 * Looks for the file `path` every second and calls `gone` once when it is no longer there, or is
 * another file (a new home in the old one's place). An empty path is never watched.
 * The file is held open: a process that has dropped its privileges since may not reach the path any
 * more, but the open file still tells when its last name was removed.
 */
export function watchHome(path: string, gone: () => void): { readonly stop: () => void } {
  if (path === '') return { stop: () => undefined };
  let timer: NodeJS.Timeout | undefined;
  let fd: number | undefined;
  const stop = (): void => {
    clearInterval(timer);
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  const end = (): void => {
    stop();
    gone();
  };

  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (!isMissing(error)) throw error;
    setImmediate(end);
    return { stop };
  }
  const { ino } = fstatSync(fd);
  const isThere = async (): Promise<boolean> => {
    if (fd === undefined || fstatSync(fd).nlink === 0) return false;
    try {
      return (await stat(path)).ino === ino;
    } catch (error) {
      return !isMissing(error);
    }
  };
  const look = async (): Promise<void> => {
    const there = await isThere();
    if (!there && fd !== undefined) end();
  };
  timer = setInterval(() => void look(), LOOK_MS);
  return { stop };
}
