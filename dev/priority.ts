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
import type { Startable } from './supervisor.ts';

/** Management: behind the hot path, before what is idle. */
const MANAGEMENT_NICE = 5;
/** Below the group of whoever asks, so that limits of that one go on to hold. */
const GROUP = 'pilotlight-cold';
const CGROUPS = '/sys/fs/cgroup';

/** How a process was lowered, for people. */
export type Way = 'an idle cgroup' | 'the niceness of its session' | 'niceness' | 'nothing';

/** Of this process, where its CPU is shared out: cgroups(7), both versions. */
function ownGroup(): string | undefined {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  const groups = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const first = groups.find(([, controllers]) => controllers?.split(',').includes('cpu'));
  const second = groups.find(([, controllers]) => controllers === '');
  const [, controllers, path] = first ?? second ?? [];
  return path === undefined ? undefined : join(CGROUPS, controllers ?? '', path);
}

function coldGroup(): string {
  const own = ownGroup();
  if (own === undefined) throw new Error('this process is in no cgroup');
  return join(own, GROUP);
}

function enterGroup(pid: number): void {
  const group = coldGroup();
  mkdirSync(group, { recursive: true });
  try {
    writeFileSync(join(group, 'cpu.idle'), '1');
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
  } catch (error) {
    leaveNoGroup();
    throw error;
  }
}

/** Removes the cgroup unless somebody is in it. */
export function leaveNoGroup(): void {
  try {
    rmdirSync(coldGroup());
  } catch {
    // Another stack has its cold plane in it, or there is none.
  }
}

const niceness = (pid: number): void => setPriority(pid, MANAGEMENT_NICE);

/** The first that works. */
const WAYS: readonly (readonly [Way, (pid: number) => void])[] = [
  ['an idle cgroup', enterGroup],
  [
    'the niceness of its session',
    (pid) => {
      writeFileSync(`/proc/${pid}/autogroup`, String(MANAGEMENT_NICE));
      niceness(pid);
    },
  ],
  ['niceness', niceness],
];

/**
 * Lowers a process that has just been started as the first of its session, and all that it will start.
 * It is a courtesy: nothing relies on it. @returns what has worked.
 */
export function lowerPriority(pid: number): Way {
  for (const [way, lower] of WAYS)
    try {
      lower(pid);
      return way;
    } catch {
      // This machine does not have it, or does not let us.
    }
  return 'nothing';
}

/** A process that gets what the hot path leaves. @param done gets what has worked, at each start. */
export const lowered = (
  what: Startable,
  done: (way: Way) => void = () => undefined,
): Startable => ({
  ...what,
  async spawn() {
    const child = await what.spawn();
    if (child.pid !== undefined) done(lowerPriority(child.pid));
    return child;
  },
});
