/**
 * Holding a directory: its lock, and under it its run record. The lock is the authority on who runs
 * a directory; the record says what the last run was, and whether its host may still be writing
 * although the lock is free (a lock server gives up before a frozen host does).
 */
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../lib/errno.ts';
import { AppError } from '../model/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Directories } from './directories.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { HeldLock, Locks } from './lock.ts';
import { processesIn, signal } from './processes.ts';
import { openRunFile, peekRunRecord, type RunFile, type RunRecord } from './run-record.ts';
import type { Volume } from './volume.ts';

export interface Holding {
  readonly lock: HeldLock;
  readonly record: RunRecord;
  /**
   * Says which epoch would be minted.
   * @param asked exactly this one; undefined = the next.
   * @throws AppError `stale_epoch` with `minted` if it has been used already.
   */
  readonly next: (asked: number | undefined) => number;
  /** Makes an epoch, which `next` named, this host's: durable when it resolves. */
  readonly mint: (epoch: number) => Promise<void>;
  /** Writes that nothing of the last run is left. */
  readonly release: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Holdings {
  /**
   * Takes a directory. What this host's own last run has left is killed.
   * @throws AppError `held_elsewhere` with `host` and `epoch`, `previous_incarnation_alive`,
   * `start_failed` if the directory or its record is gone or damaged.
   */
  readonly take: (directory: string) => Promise<Holding>;
  /**
   * Ends a run of this host: kills what is left of it, and writes `released` under the lock.
   * @returns false if the lock did not come free, or the directory was somebody else's by then.
   */
  readonly finish: (directory: string, epoch: number) => Promise<boolean>;
  /** Takes the lock of a directory as it is found, without waiting or killing. */
  readonly probe: (directory: string) => Promise<Holding | 'busy' | 'gone'>;
  /** SIGKILL to the processes of this host's last run of a directory. */
  readonly killLeftovers: (directory: string) => Promise<void>;
}

export interface HoldingsOptions {
  readonly volume: Volume;
  readonly locks: Locks;
  readonly directories: Pick<Directories, 'realData'>;
  readonly heartbeat: Pick<Heartbeat, 'hasStoodStill'>;
  readonly me: Pick<RunRecord, 'host' | 'boot' | 'machine'>;
  readonly log: Logger;
}

/** How long a busy lock is waited for: a killed process is gone within milliseconds. */
const WAIT_MS_MAX = 5_000;
const RETRY_MS = 20;
/** Between looks at a lock that a silent host is to be made to drop. */
const FENCE_LOOK_MS = 100;

const damaged = (): AppError =>
  new AppError('start_failed', { detail: 'the run record is damaged' });

function holdingOf(
  me: HoldingsOptions['me'],
  lock: HeldLock,
  file: RunFile,
  record: RunRecord,
): Holding {
  let last = record;
  return {
    lock,
    record,
    next(asked) {
      const epoch = asked ?? last.epoch + 1;
      if (epoch > last.epoch) return epoch;
      throw new AppError('stale_epoch', { data: { minted: last.epoch } });
    },
    async mint(epoch) {
      if (epoch <= last.epoch) throw new Error('BUG: an epoch is minted twice');
      last = await file.write(last, { ...me, epoch, released: false });
    },
    async release() {
      if (last.released) return;
      last = await file.write(last, { ...me, epoch: last.epoch, released: true });
    },
    async close() {
      await Promise.all([lock.close(), file.close()]);
    },
  };
}

async function probe(
  options: HoldingsOptions,
  directory: string,
): Promise<Holding | 'busy' | 'gone'> {
  const { volume, locks, me } = options;
  const paths = volume.directory(directory);
  const opening = openRunFile(paths.run);
  let record: RunRecord | undefined;
  const readRecord = async (): Promise<void> => {
    record = await (await opening)?.read();
  };
  const [lock, file] = await Promise.all([
    locks.take(paths.lock, { meanwhile: readRecord }),
    opening,
  ]);
  if (typeof lock === 'string' || file === undefined) {
    if (typeof lock !== 'string') await lock.close();
    await file?.close();
    return lock === 'busy' ? 'busy' : 'gone';
  }
  if (record !== undefined) return holdingOf(me, lock, file, record);
  await Promise.all([lock.close(), file.close()]);
  throw damaged();
}

/**
 * The processes are listed before the record is read: a run of another host begins after its
 * record is durable, so that none of its processes can be in a list made while the record is ours.
 */
async function killLeftovers(options: HoldingsOptions, directory: string): Promise<void> {
  const { volume, directories, me, log } = options;
  const data = await directories.realData(directory);
  const pids = processesIn(new Set([data]));
  if (pids.length === 0) return;
  const record = await peekRunRecord(volume.directory(directory).run);
  if (record?.host !== me.host) return;
  log.warn({ directory, epoch: record.epoch, pids }, 'killing what is left of a run');
  for (const pid of pids) signal(pid, 'SIGKILL');
}

const heldElsewhere = (record: RunRecord): AppError =>
  new AppError('held_elsewhere', { data: { host: record.host, epoch: record.epoch } });

/**
 * Its host has fallen silent, and holds the lock all the same: frozen whole, perhaps. Whoever has power
 * over the machine is asked to make sure of it; on an embedded volume that is `npm start`.
 */
async function askForFence({ volume, log }: HoldingsOptions, silent: string): Promise<void> {
  try {
    await (await open(volume.host(silent).fence, 'wx', 0o600)).close();
    log.warn({ silent }, 'a silent host holds a lock: asking for it to be fenced');
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** What to do about a lock that somebody holds: throws, or returns to try again until the deadline. */
async function settleBusy(
  options: HoldingsOptions,
  directory: string,
  deadline: number,
): Promise<void> {
  const { volume, heartbeat, me } = options;
  const record = await peekRunRecord(volume.directory(directory).run);
  if (record === undefined) throw damaged();
  if (record.host === me.host) await killLeftovers(options, directory);
  else if (!record.released) {
    // Its agent is dead, perhaps, and its Postgres serve: nobody fences those.
    const isOver = performance.now() + FENCE_LOOK_MS > deadline;
    if (isOver || !heartbeat.hasStoodStill(record.host)) throw heldElsewhere(record);
    await askForFence(options, record.host);
    await sleep(FENCE_LOOK_MS);
    return;
  }
  // Released and busy: somebody is about to mint, or has just released.
  await sleep(RETRY_MS);
}

async function checkRecord(options: HoldingsOptions, holding: Holding): Promise<Holding> {
  const { me, heartbeat } = options;
  const { record } = holding;
  const mayRun = record.released || record.host === me.host || heartbeat.hasStoodStill(record.host);
  if (mayRun) return holding;
  await holding.close();
  throw heldElsewhere(record);
}

async function take(options: HoldingsOptions, directory: string): Promise<Holding> {
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await probe(options, directory);
    if (found === 'gone')
      throw new AppError('start_failed', { detail: 'the data directory is gone' });
    if (found !== 'busy') return checkRecord(options, found);
    if (performance.now() > deadline) throw new AppError('previous_incarnation_alive');
    await settleBusy(options, directory, deadline);
  }
}

async function finish(
  options: HoldingsOptions,
  directory: string,
  epoch: number,
): Promise<boolean> {
  const { me } = options;
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await probe(options, directory);
    if (found === 'gone') return true;
    if (found !== 'busy') {
      const { record } = found;
      const mine = record.host === me.host && record.epoch === epoch;
      if (mine) await found.release();
      await found.close();
      return mine;
    }
    if (performance.now() > deadline) return false;
    await killLeftovers(options, directory);
    await sleep(RETRY_MS);
  }
}

export function createHoldings(options: HoldingsOptions): Holdings {
  return {
    take: (directory) => take(options, directory),
    finish: (directory, epoch) => finish(options, directory, epoch),
    probe: (directory) => probe(options, directory),
    killLeftovers: (directory) => killLeftovers(options, directory),
  };
}
