/**
 * Locks of the volume: `flock` on an open file description. The command `flock` takes it on a
 * descriptor that it inherits, since Node has no such call; the lock stays with the description,
 * which Postgres inherits in turn. Three rules, each of them a trap that was measured:
 * - nobody calls LOCK_UN: it would free the lock for every inheritor. A lock ends by closing;
 * - a lock file is never unlinked while its id exists, and after locking the descriptor's inode
 *   must be the path's: otherwise two processes hold "the" lock on two files;
 * - the agent closes its own copy once Postgres has been spawned, so that the last process of the
 *   incarnation frees it.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, open, stat, type FileHandle } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { AppError } from '../model/errors.ts';
import { ConfigError } from '../lib/config-error.ts';
import { childEnvironment } from '../lib/config.ts';
import { isMissing } from '../lib/files.ts';

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

/** The exit code of `flock` when the lock is held by someone else: flock(1), option -E. */
const BUSY_EXIT = 75;

/**
 * Finds the command once: a search of PATH by every spawn costs a fifth of the lock's time.
 * @throws ConfigError if there is none.
 */
export async function findFlock(): Promise<string> {
  for (const folder of (childEnvironment({})['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'flock');
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  throw new ConfigError('the command flock is not on PATH: install util-linux');
}

function runFlock(command: string, fd: number, waitSeconds: number): Promise<number> {
  const wait = waitSeconds === 0 ? ['-n'] : ['-w', String(waitSeconds)];
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...wait, '-E', String(BUSY_EXIT), '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      env: {},
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? -1));
  });
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

export interface LocksOptions {
  /** What `findFlock` found. */
  readonly command: string;
  /** False only to show what the locks prevent: then every attempt succeeds. */
  readonly enabled: boolean;
}

export function createLocks({ command, enabled }: LocksOptions): Locks {
  async function lockOpened(
    file: FileHandle,
    path: string,
    { waitSeconds = 0, meanwhile }: LockOptions,
  ): Promise<LockAttempt> {
    const code = enabled ? await runFlock(command, file.fd, waitSeconds) : 0;
    if (code === BUSY_EXIT) return 'busy';
    if (code !== 0) throw new AppError('start_failed', { detail: `flock ended with ${code}` });
    const [same] = await Promise.all([isSameFile(file, path), meanwhile?.()]);
    return same ? { fd: file.fd, close: () => file.close() } : 'gone';
  }

  return {
    async take(path, options = {}) {
      const file = await openLockFile(path, options.create ?? false);
      if (file === undefined) return 'gone';
      let attempt: LockAttempt = 'gone';
      try {
        attempt = await lockOpened(file, path, options);
      } finally {
        if (typeof attempt === 'string') await file.close();
      }
      return attempt;
    },
  };
}
