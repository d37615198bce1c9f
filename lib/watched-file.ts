/**
 * Files that may change while the process runs and hold without a restart. What can not be read or
 * is wrong changes nothing, and is told once.
 */
import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from './config-error.ts';
import type { Logger } from './log.ts';

const LOOK_MS = 1_000;

export interface WatchedFile<T> {
  readonly current: () => T;
  readonly stop: () => void;
}

export interface WatchedFileOptions<T> {
  /** Of one thing: when one changes, all are read again. */
  readonly paths: readonly string[];
  /** For people, such as `the file of callers`. */
  readonly what: string;
  /** Gets what is in each file. @throws ConfigError that shows nothing of that. */
  readonly parse: (...texts: string[]) => T;
  readonly log: Logger;
  readonly lookMs?: number;
}

/** What of a file differs whenever its content does: it is replaced, or written in its place. */
async function stampOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path);
  return `${ino} ${size} ${mtimeMs}`;
}

/** @throws ConfigError if a file is not there or is wrong when it is opened. */
export async function openWatchedFiles<T>(options: WatchedFileOptions<T>): Promise<WatchedFile<T>> {
  const { paths, what, parse, log } = options;
  const read = async () => parse(...(await Promise.all(paths.map((p) => readFile(p, 'utf8')))));
  const stampNow = async () => (await Promise.all(paths.map(stampOf))).join();
  let seen: string;
  let current: T;
  try {
    // The stamp first: what is written in between is seen at the next look.
    seen = await stampNow();
    current = await read();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${what}, ${paths.join(' and ')}, can not be read`, { cause: error });
  }
  let failing = false;
  async function look(): Promise<void> {
    try {
      const stamp = await stampNow();
      if (stamp !== seen) {
        current = await read();
        log.info({ paths }, `${what} has been read again`);
      }
      seen = stamp;
      failing = false;
    } catch (error) {
      if (!failing) log.error({ err: error }, `what ${what} said before holds: it is not right`);
      failing = true;
    }
  }
  const timer = setInterval(() => void look(), options.lookMs ?? LOOK_MS);
  timer.unref();
  return { current: () => current, stop: () => clearInterval(timer) };
}
