/** Ends a process whose home folder has been removed, so that a deleted home leaves nothing running. */
import { stat } from 'node:fs/promises';
import { isMissing } from './files.ts';

const LOOK_MS = 1_000;

/**
 * Looks for `path` every second and calls `gone` once when it is no longer there, or is another
 * file (a new home in the old one's place). An empty path is never watched.
 */
export function watchHome(path: string, gone: () => void): { readonly stop: () => void } {
  if (path === '') return { stop: () => undefined };
  let inode: number | undefined;
  const look = async (): Promise<void> => {
    try {
      const found = await stat(path);
      inode ??= found.ino;
      if (found.ino === inode) return;
    } catch (error) {
      if (!isMissing(error)) return;
    }
    clearInterval(timer);
    gone();
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  return { stop: () => clearInterval(timer) };
}
