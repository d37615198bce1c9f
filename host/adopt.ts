/**
 * What an agent does first: it finds what an earlier agent of this host has left on the volume.
 * A Postgres that lives is adopted with its epoch; of what is gone `released` is written; blank
 * directories that nobody runs are named, to be removed when nobody waits.
 */
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDirectoryId } from '../model/ids.ts';
import { isSizeName, type SizeName } from '../model/sizes.ts';
import type { SlotRef } from '../model/wire.ts';
import { note, toldAddress, type AgentContext } from './context.ts';
import { folderOf, openDoor, type Incarnation } from './incarnation.ts';
import { superviseAdopted, worksIn } from './processes.ts';
import { peekRunRecord, type RunRecord } from './run-record.ts';
import type { Slot } from './slots.ts';
import type { Supervision } from './supervise.ts';

/** Directories looked at at once; the pool that reads has four threads. */
const LOOKS_AT_ONCE = 8;
const SHUT_DOWN = 'database system is shut down';

interface Left {
  readonly directory: string;
  readonly record: RunRecord;
  /** Given away once, or about to be: never blank again. */
  readonly hinted: boolean;
  /** Whose it is, if its identity document says so. */
  readonly database: string | undefined;
  readonly size: SizeName;
}

async function readLeft(
  context: AgentContext,
  directory: string,
  record: RunRecord,
): Promise<Left> {
  const hint = await context.directories.readHint(directory);
  const identity = hint === undefined ? undefined : await context.identities.read(hint);
  const bound = identity?.directory === directory;
  return {
    directory,
    record,
    hinted: hint !== undefined,
    database: bound ? hint : undefined,
    size: bound && identity !== undefined ? identity.size : 'small',
  };
}

/** The postmaster of a directory, by its own note, if that process really works there. */
async function findPostmaster(data: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(join(data, 'postmaster.pid'), 'latin1')).split('\n')[0]);
    return worksIn(pid, data) ? pid : undefined;
  } catch {
    // No note: none was started, or it ended.
    return undefined;
  }
}

/** The slot that it was started in; another one if that is not to be had any more. */
async function findSlot(context: AgentContext, folder: string, size: SizeName): Promise<SlotRef> {
  const { slots } = context;
  let noted: SlotRef | undefined;
  try {
    const found = JSON.parse(await readFile(join(folder, 'slot.json'), 'utf8')) as Partial<SlotRef>;
    const number = found.slot ?? 0;
    const known = isSizeName(found.size) && Number.isInteger(number) && number > 0;
    if (known && number <= (slots.capacity[found.size ?? size] ?? 0))
      noted = { size: found.size ?? size, slot: number };
  } catch {
    // The folder is gone with a reboot, or damaged: any slot will do.
  }
  if (noted !== undefined && slots.get(noted) === undefined) return noted;
  return { size, slot: slots.vacant(size) ?? 0 };
}

async function endedInOrder(folder: string): Promise<boolean> {
  try {
    return (await readFile(join(folder, 'log'), 'latin1')).includes(SHUT_DOWN);
  } catch {
    return false;
  }
}

/** @returns false if it can not be kept: dead, without a slot, or nobody's. */
async function adoptRunning(
  context: AgentContext,
  supervision: Supervision,
  left: Left,
): Promise<boolean> {
  const { directory, record, database } = left;
  if (left.hinted && database === undefined) return false;
  const folder = folderOf(context.run, directory, record.epoch);
  const data = await context.directories.realData(directory);
  const pid = await findPostmaster(data);
  const ref = await findSlot(context, folder, left.size);
  if (pid === undefined || ref.slot === 0) return false;
  const incarnation: Incarnation = {
    ...ref,
    directory,
    epoch: record.epoch,
    folder,
    data,
    process: superviseAdopted(pid, () => endedInOrder(folder)),
    recovered: false,
    sources: new Map(),
    ending: false,
  };
  // The earlier agent may have died between closing the door and its last look.
  await openDoor(incarnation).catch(() => undefined);
  const slot: Slot = {
    ...ref,
    state: database === undefined ? 'warm' : 'running',
    directory,
    epoch: record.epoch,
    address: toldAddress(context, incarnation),
    incarnation,
    ...(database === undefined ? {} : { database }),
  };
  context.slots.occupy(slot);
  context.incarnations.adopt(incarnation);
  supervision.watch(incarnation);
  context.log.info({ database, directory, epoch: record.epoch, pid }, 'adopted');
  return true;
}

/** A run whose lock is free is over: nothing of it can be left. */
async function settleEnded(context: AgentContext, left: Left): Promise<void> {
  const { directory, record, database, size } = left;
  if (database === undefined)
    context.log.error({ directory }, 'a directory that was given away belongs to no database');
  if (await context.holdings.finish(directory, record.epoch)) {
    const named = database === undefined ? {} : { database };
    note(context, 'released', { directory, epoch: record.epoch, size, ...named });
  }
  await rm(folderOf(context.run, directory, record.epoch), { recursive: true, force: true });
}

/** @returns true if it is blank and nobody runs it. */
async function settleOne(
  context: AgentContext,
  supervision: Supervision,
  directory: string,
): Promise<boolean> {
  const record = await peekRunRecord(context.volume.directory(directory).run);
  if (record?.host !== context.host) return false;
  const left = await readLeft(context, directory, record);
  // What is released needs nothing, unless it is blank: then nobody will ever ask for it.
  if (record.released && left.hinted) return false;
  const probed = await context.holdings.probe(directory);
  if (probed === 'gone') return false;
  if (probed === 'busy') {
    if (await adoptRunning(context, supervision, left)) return false;
  } else await probed.close();
  if (left.hinted) await settleEnded(context, left);
  return !left.hinted;
}

/**
 * Settles every directory that this host ran last. One that can not be read stops no other.
 * @returns the blank ones that nobody runs: they are still there.
 */
export async function adoptAll(
  context: AgentContext,
  supervision: Supervision,
): Promise<readonly string[]> {
  const { slots, unhurried, volume, log } = context;
  const blanks: string[] = [];
  const names = (await readdir(volume.directories)).filter(isDirectoryId);
  const rest = names.values();
  async function work(): Promise<void> {
    for (const directory of rest) {
      try {
        if (await settleOne(context, supervision, directory)) blanks.push(directory);
      } catch (error) {
        log.error({ err: error, directory }, 'a directory could not be looked at');
      }
    }
  }
  await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, work));
  const adopted = slots.all().flatMap(({ incarnation }) => incarnation ?? []);
  unhurried.raise(adopted.map(({ process: { pid }, data }) => ({ pid, data })));
  return blanks;
}
