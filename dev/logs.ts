/** Logs of the stack's processes: one file each, bounded. */
import { copyFileSync, openSync, renameSync, statSync, truncateSync } from 'node:fs';
import { errnoOf } from '../lib/errno.ts';

/** A log that is larger becomes the one older log that is kept. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;
const LOOK_MS = 10_000;

function isLarge(path: string): boolean {
  try {
    return statSync(path).size > LOG_BYTES_MAX;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Opens a log for appending, as a process is given it. */
export function openLog(path: string): number {
  if (isLarge(path)) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

/**
 * Watches the size of logs that processes hold open: they append, so a log that is cut goes on from
 * its start. Lines written between the copy and the cut are lost.
 */
export function boundLogs(paths: () => readonly string[]): { readonly stop: () => void } {
  const timer = setInterval(() => {
    for (const path of paths().filter(isLarge)) {
      copyFileSync(path, `${path}.1`);
      truncateSync(path, 0);
    }
  }, LOOK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
