/** The home's lock: one runner at a time. The kernel frees it when its holder ends, however it ends. */
import { writeSync, ftruncateSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createLocks } from '../host/lock.ts';

export interface HeldLock {
  readonly release: () => Promise<void>;
}

/**
 * Takes the lock of this file, or says whose process has it.
 */
export async function tryLock(path: string): Promise<HeldLock | { readonly holder: string }> {
  const locks = createLocks({ enabled: true });
  for (;;) {
    const lock = await locks.take(path, { create: true });
    if (lock === 'busy') return { holder: (await readFile(path, 'utf8')).trim() };
    // Removed between its making and its locking.
    if (lock === 'gone') continue;
    ftruncateSync(lock.fd, 0);
    writeSync(lock.fd, `${process.pid}\n`, 0);
    return { release: lock.close };
  }
}
