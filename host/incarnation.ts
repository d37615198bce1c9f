/**
 * One incarnation of a directory: from the taking of its lock to the release. The order of a start
 * is the heart of the agent: lock, epoch made durable, stale postmaster.pid away,
 * Postgres with the lock in its hands, and only then anything that others can see.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import type { Logger } from '../lib/log.ts';
import { AppError } from '../model/errors.ts';
import { POSTGRES_READY_MS_MAX } from '../model/limits.ts';
import type { SlotRef } from '../model/wire.ts';
import { complaintOf, saysNoRoom } from './complaint.ts';
import type { Directories } from './directories.ts';
import { dropDraft, makeDraft, placeDraft, type Draft, type SlotNote } from './draft.ts';
import type { Holding, Holdings } from './holding.ts';
import { CLOSED_PORT, SOCKET_PORT, settingsOf, socketFile, spawnPostgres } from './postgres.ts';
import type { AccessFiles } from './postgres.ts';
import type { Installation } from './prepare.ts';
import { processesIn, signal, type Supervised } from './processes.ts';
import { waitForReady } from './ready.ts';
import { findRelcache, keepRelcache, type RelcachePaths } from './relcache.ts';
import type { Volume } from './volume.ts';

export interface Incarnation extends SlotRef {
  readonly directory: string;
  readonly epoch: number;
  /** Holds the socket, the log and `slot.json`. */
  readonly folder: string;
  /** The data's real path: the working directory of its processes. */
  readonly data: string;
  readonly process: Supervised;
  /** Set when it is ready: the run before it did not end in order. */
  recovered: boolean;
  /** The addresses of clients by their backend's process id, as the proxies say them. */
  readonly sources: Map<number, string>;
  /** Set before it is ended on purpose; whatever ends otherwise has crashed. */
  ending: boolean;
}

export interface StartOptions extends SlotNote {
  readonly directory: string;
  /** undefined = the next one. */
  readonly epoch: number | undefined;
  /** Looked at after minting; what it throws ends the start. */
  readonly confirm: () => Promise<void>;
  /** Where nobody waits for it; what it returns is called once it is ready. See unhurried.ts. */
  readonly lower?: (pid: number, data: string) => () => void;
  /** Told as soon as the epoch is minted. */
  readonly minted?: (epoch: number) => void;
}

export interface Incarnations {
  /**
   * @throws AppError `stale_epoch`, `held_elsewhere`, `previous_incarnation_alive`, `start_failed`
   * or `storage_full` with Postgres' own reason, or what `confirm` threw. Then nothing of the start is left.
   */
  readonly start: (options: StartOptions) => Promise<Incarnation>;
  /** Ends it: SIGINT, after `graceMs` SIGKILL; then releases it. 0 = SIGKILL at once. */
  readonly stop: (incarnation: Incarnation, graceMs: number) => Promise<void>;
  /** After it has ended: kills what is left, releases the directory, removes the folder. */
  readonly bury: (incarnation: Incarnation) => Promise<void>;
  /** SIGKILL to every process of every incarnation here, without waiting for anything. */
  readonly killAll: () => void;
  /** Counts an incarnation among those of this agent that an earlier agent started. */
  readonly adopt: (incarnation: Incarnation) => void;
}

export interface IncarnationsOptions {
  readonly volume: Volume;
  readonly run: string;
  readonly pg: Installation;
  readonly access: AccessFiles;
  readonly directories: Directories;
  readonly holdings: Holdings;
  readonly log: Logger;
}

export const folderOf = (run: string, directory: string, epoch: number): string =>
  join(run, `${directory}.${epoch}`);

/** Moves the socket to where nobody but the agent looks: no new session gets in. */
export async function closeDoor(incarnation: Incarnation): Promise<void> {
  const { folder } = incarnation;
  await rename(socketFile(folder, SOCKET_PORT), socketFile(folder, CLOSED_PORT));
}

export async function openDoor(incarnation: Incarnation): Promise<void> {
  const { folder } = incarnation;
  await rename(socketFile(folder, CLOSED_PORT), socketFile(folder, SOCKET_PORT));
}

interface Runs extends IncarnationsOptions {
  /** Started or adopted, and not buried yet. */
  readonly alive: Set<Incarnation>;
}

function kill(incarnation: Incarnation): void {
  incarnation.process.signal('SIGKILL');
  for (const pid of processesIn(new Set([incarnation.data]))) signal(pid, 'SIGKILL');
}

function killAll({ alive }: Runs): void {
  for (const { process: postmaster } of alive) postmaster.signal('SIGKILL');
  const folders = new Set([...alive].map(({ data }) => data));
  for (const pid of processesIn(folders)) signal(pid, 'SIGKILL');
}

const relcacheOf = ({ volume, pg }: Runs, directory: string): RelcachePaths => ({
  ...volume.directory(directory),
  program: join(pg.folder, 'bin/postgres'),
});

async function bury(runs: Runs, incarnation: Incarnation): Promise<void> {
  const { alive, holdings, log } = runs;
  const { directory, epoch } = incarnation;
  alive.delete(incarnation);
  await keepRelcache(relcacheOf(runs, directory)).catch((error: unknown) => {
    log.warn({ directory, epoch, err: error }, 'no relation cache is kept for the next run');
  });
  const released = await holdings.finish(directory, epoch);
  if (!released) log.error({ directory, epoch }, 'the lock of an ended run did not come free');
  await rm(incarnation.folder, { recursive: true, force: true });
}

async function failureOf(runs: Runs, incarnation: Incarnation, outcome: string): Promise<AppError> {
  const { directory, epoch, folder } = incarnation;
  const said = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
  const otherwise = outcome === 'silent' ? 'it said nothing for too long' : 'it ended at once';
  const detail = complaintOf(said) ?? otherwise;
  runs.log.error({ directory, epoch, detail }, 'no start');
  return new AppError(saysNoRoom(detail) ? 'storage_full' : 'start_failed', { detail });
}

/** From the minting on. Nothing is spawned before the epoch is durable. */
async function launch(
  runs: Runs,
  start: StartOptions,
  draft: Draft,
  holding: Holding,
  epoch: number,
): Promise<Incarnation> {
  const { volume, run, pg, access, alive } = runs;
  const folder = folderOf(run, start.directory, epoch);
  const stalePidFile = join(volume.directory(start.directory).data, 'postmaster.pid');
  const [restoreRelcache] = await Promise.all([
    findRelcache(relcacheOf(runs, start.directory)),
    holding.mint(epoch),
    placeDraft(draft, folder),
    rm(stalePidFile, { force: true }),
  ]);
  start.minted?.(epoch);
  // Beside the spawn: a document that forbids the start ends what it finds, before anyone is told.
  const confirmed = start.confirm();
  confirmed.catch(() => undefined);
  const process_ = await spawnPostgres({
    pg,
    data: draft.data,
    settings: settingsOf(start.size, folder, access),
    user: draft.owner,
    logFd: draft.log.fd,
    lockFd: holding.lock.fd,
  });
  const raise = start.lower?.(process_.pid, draft.data);
  const ready = waitForReady({
    logFile: join(folder, 'log'),
    exited: process_.exited,
    silentMs: POSTGRES_READY_MS_MAX,
  });
  const incarnation: Incarnation = {
    size: start.size,
    slot: start.slot,
    directory: start.directory,
    epoch,
    folder,
    data: draft.data,
    process: process_,
    recovered: false,
    sources: new Map(),
    ending: false,
  };
  alive.add(incarnation);
  // From here the last process of the incarnation frees the lock, not this one.
  await Promise.all([holding.close(), draft.log.close()]);
  try {
    const outcome = await ready;
    raise?.();
    await confirmed;
    if (outcome === 'ready' || outcome === 'recovered') {
      incarnation.recovered = outcome === 'recovered';
      restoreRelcache();
      return incarnation;
    }
    throw await failureOf(runs, incarnation, outcome);
  } catch (error) {
    incarnation.ending = true;
    kill(incarnation);
    await process_.exited;
    await bury(runs, incarnation);
    throw error;
  }
}

async function startHeld(
  runs: Runs,
  start: StartOptions,
  draft: Draft,
  holding: Holding,
): Promise<Incarnation> {
  let epoch: number;
  try {
    epoch = holding.next(start.epoch);
  } catch (error) {
    await Promise.all([holding.close(), dropDraft(draft)]);
    throw error;
  }
  try {
    return await launch(runs, start, draft, holding, epoch);
  } catch (error) {
    if (error instanceof AppError) throw error;
    // The program could not be run, or its folder not be placed.
    await holding.release().catch(() => undefined);
    await holding.close().catch(() => undefined);
    await dropDraft(draft);
    await rm(folderOf(runs.run, start.directory, epoch), { recursive: true, force: true });
    const detail = `${errnoOf(error) ?? 'an error'} when starting Postgres`;
    throw new AppError('start_failed', { detail, cause: error });
  }
}

async function startIncarnation(runs: Runs, start: StartOptions): Promise<Incarnation> {
  // The lock first: its command is the longest of what happens side by side here.
  const [held, drafted] = await Promise.allSettled([
    runs.holdings.take(start.directory),
    makeDraft(runs, start.directory, start),
  ]);
  if (drafted.status === 'fulfilled' && held.status === 'fulfilled')
    return startHeld(runs, start, drafted.value, held.value);
  if (drafted.status === 'fulfilled') await dropDraft(drafted.value);
  if (held.status === 'fulfilled') await held.value.close();
  if (held.status === 'rejected') throw held.reason;
  if (drafted.status === 'rejected')
    throw new AppError('start_failed', {
      detail: `${errnoOf(drafted.reason) ?? 'an error'} when making the run folder`,
      cause: drafted.reason,
    });
  throw new Error('BUG: a settled start is neither');
}

async function endedWithin(incarnation: Incarnation, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const ended = await Promise.race([incarnation.process.exited.then(() => true), late]);
  clearTimeout(timer);
  return ended;
}

async function stopIncarnation(
  runs: Runs,
  incarnation: Incarnation,
  graceMs: number,
): Promise<void> {
  incarnation.ending = true;
  if (graceMs > 0) incarnation.process.signal('SIGINT');
  if (graceMs === 0 || !(await endedWithin(incarnation, graceMs))) {
    if (graceMs > 0)
      runs.log.warn({ directory: incarnation.directory, grace_ms: graceMs }, 'killing Postgres');
    kill(incarnation);
    await incarnation.process.exited;
  }
  await bury(runs, incarnation);
}

export function createIncarnations(options: IncarnationsOptions): Incarnations {
  const runs: Runs = { ...options, alive: new Set() };
  return {
    start: (start) => startIncarnation(runs, start),
    stop: (incarnation, graceMs) => stopIncarnation(runs, incarnation, graceMs),
    bury: (incarnation) => bury(runs, incarnation),
    killAll: () => killAll(runs),
    adopt: (incarnation) => void runs.alive.add(incarnation),
  };
}
