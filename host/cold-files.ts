/**
 * Copying and removing whole directories where nobody waits for it: in a process of its own at cold
 * priority. The agent's own ways take all of the pool that a start's file operations go through, and a
 * core at the priority of the hot path.
 */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { lowerPriority } from '../lib/priority.ts';
import type { UnixIds } from './directories.ts';

/** Not before it has been lowered: what it starts earlier would stay as it is. */
const GO = 'read -r go &&';
/** $1 = template, $2 = copy, $3 = owner or nothing. Every file and folder is flushed. */
const COPY = `
${GO}
cp -R --reflink=auto "$1" "$2" &&
if [ -n "$3" ]; then chown -R "$3" "$2"; fi &&
exec find "$2" -exec sync {} +
`;
const REMOVE = `${GO} exec rm -rf "$1"`;

/** Where no core is ever idle, a cold process gets next to nothing. */
const RUN_MS_MAX = 20_000;

/** @param cwd on the volume: who clears up after the agent finds it by that. */
function runCold(
  script: string,
  args: readonly string[],
  cwd: string,
  timeoutMs: number,
): Promise<boolean> {
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd,
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  });
  const { pid } = child;
  if (pid !== undefined) lowerPriority(pid);
  // It may have ended before it has read this.
  child.stdin.on('error', () => undefined);
  child.stdin.end('go\n');
  return new Promise((resolve) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      // With all that it has started.
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    }, timeoutMs);
    const done = (well: boolean): void => {
      clearTimeout(timer);
      resolve(well);
    };
    child.once('error', () => done(false));
    child.once('exit', (code) => done(code === 0 && !isLate));
  });
}

/** @returns false if it has failed or takes too long; then a part of it may be there. */
export const coldCopy = (
  from: string,
  to: string,
  user: UnixIds | undefined,
  timeoutMs = RUN_MS_MAX,
): Promise<boolean> => {
  const owner = user === undefined ? '' : `${user.uid}:${user.gid}`;
  return runCold(COPY, [from, to, owner], dirname(from), timeoutMs);
};

/** @returns false if it has failed or takes too long; then a part of it may still be there. */
export const coldRemove = (path: string): Promise<boolean> =>
  runCold(REMOVE, [path], dirname(dirname(path)), RUN_MS_MAX);

/** Removes a folder, cold if that can be: what it has left, and where it can not be run, is removed at once. */
export async function removeAll(path: string): Promise<void> {
  if (!(await coldRemove(path))) await rm(path, { recursive: true, force: true });
}
