/** What only root can do to a volume: give it a disk of its own that can be filled, or hide it. */
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { mkdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Disk {
  /** Leaves so much room; by default none at all. */
  readonly fill: (leaveBytes?: number) => Promise<void>;
  readonly empty: () => Promise<void>;
  /** Takes it away from this process' view; hosts in namespaces keep theirs. */
  readonly unmount: () => Promise<void>;
}

/** Unmounts when our end of its standard input closes, however we end. */
const GUARD = `trap '' INT TERM HUP; cat >/dev/null; umount -l "$1"`;
/** Others write meanwhile, so that a first attempt may find less room than there was. */
const FILL_TRIES = 20;
const FULL_BYTES = 64 * 1024;

/** Mounts a tmpfs of this size on a folder. @throws where this process may not. */
export async function mountDisk(folder: string, megabytes: number): Promise<Disk> {
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise((resolve) => guard.once('exit', resolve));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0711`, 'pilotlight', folder]);
  const ballast = join(folder, 'ballast');
  return {
    async fill(leaveBytes = 0) {
      for (let tries = 0; tries < FILL_TRIES; tries++) {
        const { bavail, bsize } = await statfs(folder);
        const bytes = bavail * bsize - Math.ceil(leaveBytes);
        if (bytes < FULL_BYTES) return;
        // Each try a file of its own: the one before may have taken only a part.
        await run('fallocate', ['-l', String(bytes), `${ballast}-${tries}`]).catch(() => undefined);
      }
    },
    async empty() {
      for (let tries = 0; tries < FILL_TRIES; tries++)
        await rm(`${ballast}-${tries}`, { force: true });
    },
    async unmount() {
      guard.stdin.end();
      await ended;
    },
  };
}

const mountsOf = (pid: number | 'self'): string => readlinkSync(`/proc/${pid}/ns/mnt`);

/**
 * Puts an empty folder that nobody can write to over `folder`, in the view of the machine that this
 * process is on, and of no other.
 * @returns how to take it away again; undefined if that process has no view of its own.
 */
export async function hideFolder(
  pid: number,
  folder: string,
): Promise<(() => Promise<void>) | undefined> {
  if (mountsOf(pid) === mountsOf('self')) return undefined;
  // Held open: the process may have ended by the time that the folder is shown again. Its processes'
  // namespace as well, since umount looks at itself in the /proc that it finds there.
  const spaces = (['mnt', 'pid'] as const).map((name) => openSync(`/proc/${pid}/ns/${name}`, 'r'));
  const [mounts, pids] = spaces.map((fd) => `/proc/${process.pid}/fd/${fd}`);
  const inside = (...command: readonly string[]) =>
    run('nsenter', [`--mount=${mounts}`, `--pid=${pids}`, '--', ...command]);
  const close = (): void => {
    for (const fd of spaces) closeSync(fd);
  };
  try {
    await inside('mount', '-t', 'tmpfs', '-o', 'ro,size=4k,mode=0711', 'pilotlight', folder);
  } catch (error) {
    close();
    throw error;
  }
  return () =>
    inside('umount', '-l', folder).then(close, (error: unknown) => {
      close();
      throw error;
    });
}
