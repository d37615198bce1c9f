/** The start of an agent: one process per host, and a number for it that is never used again. */
import { mkdir, readFile } from 'node:fs/promises';
import { ConfigError } from '../lib/config-error.ts';
import { isMissing } from '../lib/errno.ts';
import { replaceFile, syncFolder } from '../lib/files.ts';
import type { HeldLock, Locks } from './lock.ts';
import type { Volume } from './volume.ts';

/** A predecessor that was just killed frees its lock within milliseconds. */
const PREDECESSOR_S = 3;

async function readBoot(path: string): Promise<number> {
  try {
    const boot = Number(await readFile(path, 'utf8'));
    if (!Number.isSafeInteger(boot) || boot < 0) throw new ConfigError(`${path} holds no number`);
    return boot;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

export interface Boot {
  readonly boot: number;
  /** Held until the process ends; whoever drops it frees it with the next garbage collection. */
  readonly lock: HeldLock;
}

/**
 * Counts the boot up, durably, under a lock that this process keeps as long as it lives.
 * @param locks real ones, whatever else is to be shown: two agents as one host would both be the
 * authority on its slots.
 * @throws ConfigError if another agent runs as this host.
 */
export async function beginBoot(volume: Volume, locks: Locks, host: string): Promise<Boot> {
  const paths = volume.host(host);
  await mkdir(paths.folder, { recursive: true, mode: 0o700 });
  await syncFolder(volume.hosts);
  const lock = await locks.take(paths.lock, {
    waitSeconds: PREDECESSOR_S,
    create: true,
  });
  if (typeof lock === 'string')
    throw new ConfigError(`another agent runs as host ${host} on the volume ${volume.root}`);
  const boot = (await readBoot(paths.boot)) + 1;
  await replaceFile(paths.boot, `${boot}\n`);
  return { boot, lock };
}
