/** Where programs that were downloaded or built lie: the user's cache, shared by all clones. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemVariable } from '../../lib/environment.ts';
import { tryLock, type HeldLock } from '../lock.ts';
import { isExecutable, RELEASE } from './binary.ts';

export function cacheFolder(): string {
  const base = systemVariable('XDG_CACHE_HOME') ?? join(systemVariable('HOME') ?? '/tmp', '.cache');
  return join(base, 'pilotlight', 'temporal');
}

export const cachedBinary = (): string => join(cacheFolder(), RELEASE, 'temporal');

/** Puts a program into the cache: whole or not at all. @returns its path there. */
export async function addToCache(path: string): Promise<string> {
  const target = cachedBinary();
  await mkdir(join(cacheFolder(), RELEASE), { recursive: true });
  await rename(path, target);
  return target;
}

/** The one executable that a download left in a folder. */
export async function executableIn(folder: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith('temporal') && (await isExecutable(path))) return path;
  }
  return undefined;
}

const LOOK_MS = 1_000;

/**
 * One start at a time makes the program; the others wait and then find it.
 * @returns undefined if `signal` was aborted while waiting.
 */
export async function lockCache(
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<HeldLock | undefined> {
  await mkdir(cacheFolder(), { recursive: true });
  let said = false;
  while (!signal.aborted) {
    const lock = await tryLock(join(cacheFolder(), 'lock'));
    if ('release' in lock) return lock;
    if (!said) say(`another start is making the Temporal server (process ${lock.holder}): waiting`);
    said = true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return undefined;
}

/** A folder for something half done, on the cache's own disk. It is removed before and after. */
export async function withDraft<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(cacheFolder(), name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
