/**
 * What /proc says of processes. Read synchronously: /proc never hangs, whereas the pool that serves
 * asynchronous reads may be stuck on a volume, and fencing must work just then.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../lib/errno.ts';

/** This start of this machine; changes with a reboot. */
export function machineBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
  } catch {
    // Gone meanwhile, or another user's.
    return undefined;
  }
}

/** Whether a process works in this data directory, by its real path. */
export const worksIn = (pid: number, folder: string): boolean => workingDirectoryOf(pid) === folder;

/**
 * The processes whose working directory is one of these data directories: postmaster, backends and
 * whatever they started. The paths must be real ones, without symbolic links.
 */
export function processesIn(folders: ReadonlySet<string>): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const folder = workingDirectoryOf(pid);
    if (folder !== undefined && folders.has(folder)) found.push(pid);
  }
  return found;
}

/** Signals a process that may be gone already. @returns false if it was. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/**
 * When a process began, in clock ticks since the machine's boot: field 22 of /proc/<pid>/stat.
 * Together with the pid it names a process for good. undefined = there is none, or a zombie.
 */
function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold blanks and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** A process under supervision: a child of this agent, or one that an earlier agent started. */
export interface Supervised {
  readonly pid: number;
  /** Resolves when it has ended; true = by itself and in order. */
  readonly exited: Promise<boolean>;
  readonly isAlive: () => boolean;
  readonly signal: (name: NodeJS.Signals) => void;
}

const ADOPTED_LOOK_MS = 100;

/**
 * Supervises a process that is not our child by looking at it ten times a second.
 * @param endedInOrder judges, after its end, from what it left behind.
 */
export function superviseAdopted(pid: number, endedInOrder: () => Promise<boolean>): Supervised {
  const began = startTimeOf(pid);
  const isAlive = (): boolean => began !== undefined && startTimeOf(pid) === began;
  async function waitForEnd(): Promise<boolean> {
    while (isAlive()) await sleep(ADOPTED_LOOK_MS, undefined, { ref: false });
    return endedInOrder();
  }
  return {
    pid,
    exited: waitForEnd(),
    isAlive,
    signal: (name) => {
      if (isAlive()) signal(pid, name);
    },
  };
}
