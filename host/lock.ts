/**
 * Locks of the volume: `flock(2)` on an open file description, called through koffi since Node has no
 * such call (decision 0004). The lock stays with the description, which Postgres inherits. Three
 * rules, each of them a trap that was measured:
 * - nobody calls LOCK_UN: it would free the lock for every inheritor. A lock ends by closing;
 * - a lock file is never unlinked while its id exists, and after locking the descriptor's inode
 *   must be the path's: otherwise two processes hold "the" lock on two files;
 * - the agent closes its own copy once Postgres has been spawned, so that the last process of the
 *   incarnation frees it.
 */
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { constants as os } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { AppError } from '../model/errors.ts';
import { isMissing } from '../lib/errno.ts';

export interface HeldLock {
  /** To hand to a child, which then holds the lock as well. */
  readonly fd: number;
  /** Closes this process' copy. */
  readonly close: () => Promise<void>;
}

/** `busy`: someone else holds it. `gone`: the file is not there (any more). */
export type LockAttempt = HeldLock | 'busy' | 'gone';

export interface Locks {
  /**
   * Takes the lock of a file.
   * @param waitSeconds how long to wait for another holder; 0 = not at all.
   * @param create makes the file if it is missing (locks whose file is not made with its folder).
   */
  readonly take: (path: string, options?: LockOptions) => Promise<LockAttempt>;
}

export interface LockOptions {
  readonly waitSeconds?: number;
  readonly create?: boolean;
  /** Run under the lock, beside the check of the inode. */
  readonly meanwhile?: () => Promise<void>;
}

/** LOCK_EX | LOCK_NB of <sys/file.h>: it never waits, so that it may be called on the main thread. */
const LOCK_EX_NB = 2 | 4;
/** Between looks at a lock that is waited for. */
const LOOK_MS = 5;

const flock = koffi.load('libc.so.6').func('int flock(int fd, int operation)') as (
  fd: number,
  operation: number,
) => number;

/** @returns false if someone else holds it. */
function tryFlock(fd: number): boolean {
  if (flock(fd, LOCK_EX_NB) === 0) return true;
  const errno = koffi.errno();
  if (errno === os.errno.EWOULDBLOCK) return false;
  throw new AppError('start_failed', { detail: `flock ended with errno ${errno}` });
}

async function waitFlock(fd: number, waitSeconds: number): Promise<boolean> {
  const deadline = performance.now() + waitSeconds * 1000;
  while (!tryFlock(fd)) {
    if (performance.now() >= deadline) return false;
    await sleep(LOOK_MS);
  }
  return true;
}

async function openLockFile(path: string, create: boolean): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | (create ? constants.O_CREAT : 0), 0o600);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** True if the path still names the file that was locked. */
async function isSameFile(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [held, named] = await Promise.all([file.stat(), stat(path)]);
    return held.ino === named.ino && held.dev === named.dev;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function lockOpened(
  file: FileHandle,
  path: string,
  { waitSeconds = 0, meanwhile }: LockOptions,
  enabled: boolean,
): Promise<LockAttempt> {
  if (enabled && !(await waitFlock(file.fd, waitSeconds))) return 'busy';
  const [same] = await Promise.all([isSameFile(file, path), meanwhile?.()]);
  return same ? { fd: file.fd, close: () => file.close() } : 'gone';
}

/** @param enabled false only to show what the locks prevent: then every attempt succeeds. */
export function createLocks({ enabled }: { readonly enabled: boolean }): Locks {
  return {
    async take(path, options = {}) {
      const file = await openLockFile(path, options.create ?? false);
      if (file === undefined) return 'gone';
      let attempt: LockAttempt = 'gone';
      try {
        attempt = await lockOpened(file, path, options, enabled);
      } finally {
        if (typeof attempt === 'string') await file.close();
      }
      return attempt;
    },
  };
}
