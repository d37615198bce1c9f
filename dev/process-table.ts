/**
 * Processes as /proc shows them. A pid alone names nobody for long, so a process is remembered as
 * (pid, start time), and a signal goes only to a pid that still has that start time.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { raiseAgain } from '../lib/priority.ts';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since the machine's boot, field 22 of /proc/<pid>/stat: proc_pid_stat(5). */
  readonly started: string;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly started: string;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything, so the fields are counted from its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** undefined if there is no such process, or only its zombie. */
export function identify(pid: number): ProcessId | undefined {
  const stat = statOf(pid);
  return stat === undefined || stat.state === 'Z' ? undefined : { pid, started: stat.started };
}

export function isAlive(id: ProcessId): boolean {
  return identify(id.pid)?.started === id.started;
}

/** Sends a signal to this process and no other. @returns false if it is gone. */
export function signal(id: ProcessId, name: NodeJS.Signals): boolean {
  if (!isAlive(id)) return false;
  try {
    process.kill(id.pid, name);
    return true;
  } catch {
    return false;
  }
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function find(matches: (pid: number) => boolean): ProcessId[] {
  return allPids().flatMap((pid) => {
    if (pid === process.pid || !matches(pid)) return [];
    const id = identify(pid);
    return id === undefined ? [] : [id];
  });
}

function workingFolderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

/** Processes whose working folder is this one or below it: Postgres sits in its data directory. */
export function processesBelow(folder: string): ProcessId[] {
  return find((pid) => {
    const cwd = workingFolderOf(pid);
    return cwd === folder || cwd.startsWith(`${folder}/`) || cwd === `${folder} (deleted)`;
  });
}

export function wasStartedWith(pid: number, name: string, value: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    return environment.split('\0').includes(`${name}=${value}`);
  } catch {
    return false;
  }
}

/** Processes that were started with this variable in their environment. */
export function processesWith(name: string, value: string): ProcessId[] {
  return find((pid) => wasStartedWith(pid, name, value));
}

/** Its words as they were when it was started, unless it has rewritten them since. */
export function commandOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

/** Processes of one of our mains (`api/main.js`) that watch this file. */
export function processesOfMain(main: string, watch: string): ProcessId[] {
  return find((pid) => {
    const [program, ...words] = commandOf(pid);
    // Not those that only start it: they have the same words behind another program.
    const runsIt = program === process.execPath && words.some((w) => w.endsWith(`/dist/${main}`));
    return runsIt && wasStartedWith(pid, 'PILOTLIGHT_WATCH', watch);
  });
}

export function childrenOf(pid: number): ProcessId[] {
  return find((other) => statOf(other)?.parent === pid);
}

/** Those that it has started and that they have started in turn, as far as none has ended in between. */
export function descendantsOf(pid: number): ProcessId[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap((child) => descendantsOf(child.pid))];
}

/** Waits until all of them are gone. @returns those that are still there after `timeoutMs`. */
export async function waitGone(
  ids: readonly ProcessId[],
  timeoutMs: number,
): Promise<readonly ProcessId[]> {
  const deadline = Date.now() + timeoutMs;
  let left = ids.filter(isAlive);
  while (left.length > 0 && Date.now() < deadline) {
    await delay(20);
    left = left.filter(isAlive);
  }
  return left;
}

/**
 * Asks all of them to end, and after `graceMs` makes them. What is lowered is raised for it: also a killed
 * process ends only when it gets a core.
 */
export async function endAll(
  ids: readonly ProcessId[],
  first: NodeJS.Signals,
  graceMs: number,
): Promise<void> {
  raiseAgain(ids.filter(isAlive).map(({ pid }) => pid));
  for (const id of ids) signal(id, first);
  const stubborn = await waitGone(ids, graceMs);
  for (const id of stubborn) signal(id, 'SIGKILL');
  await waitGone(stubborn, 2_000);
}
