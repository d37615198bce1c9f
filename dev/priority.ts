/**
 * Less CPU for what may wait. Under autogroup scheduling the kernel shares by session and ignores
 * niceness between them, so a process gets both: sched(7), "The autogroup feature".
 */
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Management: behind the hot path, before what is idle. */
export const MANAGEMENT_NICE = 5;

/**
 * Lowers a process that has just been started as the first of its session. What this machine does
 * not have or does not let us do is left out: it is a courtesy, and nothing relies on it.
 */
export function lowerPriority(pid: number, nice: number): void {
  const ways = [
    () => setPriority(pid, nice),
    () => writeFileSync(`/proc/${pid}/autogroup`, String(nice)),
  ];
  for (const way of ways)
    try {
      way();
    } catch {
      continue;
    }
}
