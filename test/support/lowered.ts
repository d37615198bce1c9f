/** Which processes the kernel runs only where a core is idle, and whether this machine can do that at all. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { leaveNoGroup, lowerForNow } from '../../lib/priority.ts';

export const isLowered = (pid: number): boolean =>
  readFileSync(`/proc/${pid}/cgroup`, 'latin1').includes('/pilotlight-cold');

/** By lowering a process of its own. */
export function canLower(): boolean {
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  try {
    return child.pid !== undefined && lowerForNow(child.pid);
  } finally {
    child.once('exit', () => leaveNoGroup());
    child.kill('SIGKILL');
  }
}
