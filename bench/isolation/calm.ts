/** Waiting until what one arm has left does not burden the next one. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 500;
/** Two idle stacks with two Temporal servers take about a tenth of two cores. */
const BUSY_MAX = 0.25;
const LOOKS = 3;

/** The first line of /proc/stat: user, nice, system, idle, iowait, … in clock ticks. */
export function busyBetween(before: readonly number[], after: readonly number[]): number {
  const spent = after.map((count, n) => count - (before[n] ?? 0));
  const all = spent.slice(0, 8).reduce((a, b) => a + b, 0);
  const idle = spent[3] ?? 0;
  return all === 0 ? 0 : 1 - idle / all;
}

async function ticks(): Promise<readonly number[]> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  return line.trim().split(/\s+/).slice(1).map(Number);
}

/** Until three looks in a row find the machine idle. @returns false if that has not come in time. */
export async function waitCalm(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  let calm = 0;
  let last = await ticks();
  while (calm < LOOKS) {
    if (signal.aborted || performance.now() > deadline) return false;
    await delay(LOOK_MS);
    const now = await ticks();
    calm = busyBetween(last, now) < BUSY_MAX ? calm + 1 : 0;
    last = now;
  }
  return true;
}
