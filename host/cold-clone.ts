/**
 * Copying the template for stock: a process of its own at cold priority, one file after the other. The
 * agent's own copy is for a create that somebody waits for: it takes all of the pool that a start's file
 * operations go through, and a core at the priority of the hot path.
 */
import { spawn } from 'node:child_process';
import { lowerPriority } from '../lib/priority.ts';
import type { UnixIds } from './directories.ts';

/** $1 = template, $2 = copy, $3 = owner or nothing. Every file and folder is flushed. */
const COPY = `
cp -R --reflink=auto "$1" "$2" &&
if [ -n "$3" ]; then chown -R "$3" "$2"; fi &&
exec find "$2" -exec sync {} +
`;

/** A core that is never idle leaves nothing to a cold process. */
const COPY_MS_MAX = 20_000;

/** @returns false if it has failed or takes too long; then a part of it may be there. */
export function coldClone(
  from: string,
  to: string,
  user: UnixIds | undefined,
  timeoutMs = COPY_MS_MAX,
): Promise<boolean> {
  const owner = user === undefined ? '' : `${user.uid}:${user.gid}`;
  const child = spawn('/bin/sh', ['-c', COPY, 'sh', from, to, owner], {
    stdio: 'ignore',
    detached: true,
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  });
  const { pid } = child;
  if (pid !== undefined) lowerPriority(pid);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      // With all that it has started.
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    }, timeoutMs);
    const done = (well: boolean): void => {
      clearTimeout(timer);
      resolve(well);
    };
    child.once('error', () => done(false));
    child.once('exit', (code) => done(code === 0));
  });
}
