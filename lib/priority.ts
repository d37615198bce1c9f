/**
 * Less CPU for what may wait. What a machine has and lets us do differs, so the ways are tried from the
 * best to the weakest (measured: docs/decisions/0009-cold-work-is-idle-work.md):
 *
 * 1. A cgroup that the kernel schedules as idle: whatever else wants a core has it at once, however
 *    many processes there are in the group.
 * 2. The niceness of a session: under autogroup scheduling the kernel shares by session and ignores
 *    niceness between them, sched(7).
 * 3. Niceness, where there are no autogroups.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';

/** Management: behind the hot path, before what is idle. */
const MANAGEMENT_NICE = 5;
/** Below the group of whoever asks, so that limits of that one go on to hold. */
const GROUP = 'pilotlight-cold';

/** How a process was lowered, for people. */
export type Way = 'an idle cgroup' | 'the niceness of its session' | 'niceness' | 'nothing';

export interface Kernel {
  readonly proc: string;
  readonly cgroups: string;
}

/** Where Linux has them. */
const KERNEL: Kernel = { proc: '/proc', cgroups: '/sys/fs/cgroup' };

/** Of this process, where its CPU is shared out: cgroups(7), both versions. */
function ownGroup({ proc, cgroups }: Kernel): string {
  const lines = readFileSync(join(proc, 'self/cgroup'), 'utf8').trim().split('\n');
  const groups = lines.map((line) => {
    const from = line.indexOf(':') + 1;
    const to = line.indexOf(':', from);
    return { controllers: line.slice(from, to), path: line.slice(to + 1) };
  });
  const own =
    groups.find(({ controllers }) => controllers.split(',').includes('cpu')) ??
    groups.find(({ controllers }) => controllers === '');
  if (own === undefined) throw new Error('this process is in no cgroup');
  return join(cgroups, own.controllers, own.path);
}

/** Removes the cgroup unless somebody is in it. */
export function leaveNoGroup(kernel: Kernel = KERNEL): void {
  try {
    rmdirSync(join(ownGroup(kernel), GROUP));
  } catch {
    // Another stack has its cold plane in it, or there is none.
  }
}

function enterGroup(pid: number, kernel: Kernel): void {
  const group = join(ownGroup(kernel), GROUP);
  mkdirSync(group, { recursive: true });
  try {
    // Not made where the kernel does not have it.
    writeFileSync(join(group, 'cpu.idle'), '1', { flag: 'r+' });
    writeFileSync(join(group, 'cgroup.procs'), String(pid), { flag: 'r+' });
  } catch (error) {
    leaveNoGroup(kernel);
    throw error;
  }
}

/**
 * For what is cold only for a while: the way back out of a session's niceness is root's alone, so it is
 * lowered by a cgroup or not at all. @returns whether it was.
 */
export function lowerForNow(pid: number, kernel: Kernel = KERNEL): boolean {
  try {
    enterGroup(pid, kernel);
    return true;
  } catch {
    return false;
  }
}

/** The end of it: back to where this process is. Parents first, so that their children follow. */
export function raiseAgain(pids: readonly number[], kernel: Kernel = KERNEL): void {
  for (const pid of pids)
    try {
      writeFileSync(join(ownGroup(kernel), 'cgroup.procs'), String(pid), { flag: 'r+' });
    } catch {
      // It has ended.
    }
}

const niceness = (pid: number): void => setPriority(pid, MANAGEMENT_NICE);

/** The first that works. */
const WAYS: readonly (readonly [Way, (pid: number, kernel: Kernel) => void])[] = [
  ['an idle cgroup', enterGroup],
  [
    'the niceness of its session',
    (pid, { proc }) => {
      const path = join(proc, String(pid), 'autogroup');
      writeFileSync(path, String(MANAGEMENT_NICE), { flag: 'r+' });
      niceness(pid);
    },
  ],
  ['niceness', niceness],
];

/**
 * Lowers a process that has just been started as the first of its session, and all that it will start.
 * It is a courtesy: nothing relies on it. @returns what has worked.
 */
export function lowerPriority(pid: number, kernel: Kernel = KERNEL): Way {
  for (const [way, lower] of WAYS)
    try {
      lower(pid, kernel);
      return way;
    } catch {
      // This machine does not have it, or does not let us.
    }
  return 'nothing';
}
