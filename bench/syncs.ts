/** How often processes make the machine write to disk for certain, as strace sees it. */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** strace attaches to every thread before it says a word; so long it takes at most. */
const ATTACH_MS = 1_000;

/**
 * Counts fsync, fdatasync and their like in these processes and their children while `work` runs.
 * @returns undefined if there is no strace, or it may not look.
 */
export async function countSyncs(
  pids: readonly number[],
  work: () => Promise<void>,
): Promise<number | undefined> {
  const args = ['-f', '-q', '-e', 'trace=fsync,fdatasync,sync_file_range,syncfs'];
  const child = spawn('strace', [...args, ...pids.flatMap((pid) => ['-p', String(pid)])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  await Promise.race([ended, delay(ATTACH_MS)]);
  if (child.pid === undefined || child.exitCode !== null) return undefined;
  try {
    await work();
  } finally {
    child.kill('SIGINT');
    await ended;
  }
  return said.match(/(?:fsync|fdatasync|sync_file_range|syncfs)\(/g)?.length ?? 0;
}
