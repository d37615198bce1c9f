/**
 * Heartbeats on the volume. This host renews its own every second; if no renewal has completed for
 * 5 s it kills its Postgres processes itself (SIGKILL: fencing is never polite), since others may
 * take its directories after 8 s. The others' are watched all the time, by this process' own
 * monotonic clock: what counts is how long a file has stood still here, not what time it names.
 */
import { constants } from 'node:fs';
import { open, readFile, readdir, type FileHandle } from 'node:fs/promises';
import { HEARTBEAT_FENCE_MS, HEARTBEAT_LOST_MS, HEARTBEAT_MS } from '../model/limits.ts';
import { isMissing } from '../lib/errno.ts';
import type { Logger } from '../lib/log.ts';
import type { Volume } from './volume.ts';

export interface Heartbeat {
  /** No renewal has completed for too long: nothing may be started here now. */
  readonly isFenced: () => boolean;
  /** The host's heartbeat has not moved for 8 s of our watching. */
  readonly hasStoodStill: (host: string) => boolean;
  readonly stop: () => void;
}

export interface HeartbeatOptions {
  readonly volume: Volume;
  readonly host: string;
  readonly boot: number;
  readonly log: Logger;
  /** Kills this host's Postgres processes; called once per loss of the volume. */
  readonly fence: () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

const TEXT_BYTES = 64;
const CHECK_MS = 250;

/** Fixed length, so that a renewal never changes the file's size. */
const beatOf = (boot: number, count: number): string =>
  `${boot} ${count}`.padEnd(TEXT_BYTES - 1) + '\n';

/** How long each of the others' files has stood still. Pure apart from the clock it is given. */
export function createStillness(now: () => number) {
  const seen = new Map<string, { content: string; since: number }>();
  const watchingSince = now();
  return {
    see(host: string, content: string): void {
      if (seen.get(host)?.content !== content) seen.set(host, { content, since: now() });
    },
    /** A host without a file has stood still for as long as we watch. */
    hasStoodStill(host: string): boolean {
      return now() - (seen.get(host)?.since ?? watchingSince) >= HEARTBEAT_LOST_MS;
    },
  };
}

/** Starts renewing and watching; the first renewal has completed when this resolves. */
export async function startHeartbeat(options: HeartbeatOptions): Promise<Heartbeat> {
  const { volume, host, boot, log } = options;
  const now = options.now ?? (() => performance.now());
  const stillness = createStillness(now);
  const path = volume.host(host).heartbeat;
  const timers: NodeJS.Timeout[] = [];
  let count = 0;
  let renewedAt = now();
  let renewing = false;
  let fenced = false;

  async function renew(): Promise<void> {
    if (renewing) return;
    // A process that was frozen must not look alive to others before it has fenced itself.
    check();
    renewing = true;
    // The clock is read before the write: others count from when they see it, which is later.
    const began = now();
    let file: FileHandle | undefined;
    try {
      file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      await file.write(beatOf(boot, ++count), 0, 'latin1');
      await file.datasync();
      renewedAt = began;
      if (fenced) log.warn('the volume answers again: this host takes work again');
      fenced = false;
    } catch (error) {
      log.error({ err: error }, 'the heartbeat could not be renewed');
    } finally {
      await file?.close().catch(() => undefined);
      renewing = false;
    }
  }

  function check(): void {
    if (fenced || now() - renewedAt < HEARTBEAT_FENCE_MS) return;
    fenced = true;
    log.error({ after_ms: HEARTBEAT_FENCE_MS }, 'no renewal of the heartbeat: fencing this host');
    options.fence();
  }

  let watching = false;
  async function watchOthers(): Promise<void> {
    if (watching) return;
    watching = true;
    try {
      for (const other of await readdir(volume.hosts)) {
        if (other === host) continue;
        stillness.see(other, await readBeat(volume.host(other).heartbeat));
      }
    } catch (error) {
      log.error({ err: error }, 'the heartbeats of other hosts could not be read');
    } finally {
      watching = false;
    }
  }

  await renew();
  await watchOthers();
  timers.push(setInterval(() => void renew(), HEARTBEAT_MS));
  timers.push(setInterval(() => void watchOthers(), HEARTBEAT_MS));
  timers.push(setInterval(check, CHECK_MS));
  return {
    isFenced: () => fenced,
    hasStoodStill: stillness.hasStoodStill,
    stop: () => timers.forEach((timer) => clearInterval(timer)),
  };
}

async function readBeat(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}
