/**
 * The run folder of an incarnation to be, for its socket, its log and `slot.json`: made while the
 * lock is being taken, so that it costs a start no time.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  open,
  rename,
  rm,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { directoryIdOf } from '../model/ids.ts';
import type { SlotRef } from '../model/wire.ts';
import type { Directories, UnixIds } from './directories.ts';

/** What an agent that starts later must know to adopt an incarnation: `slot.json`. */
export interface SlotNote extends SlotRef {
  readonly database?: string;
}

/** A run folder before its epoch is known. */
export interface Draft {
  readonly folder: string;
  readonly owner: UnixIds | undefined;
  /** The real path of the data directory. */
  readonly data: string;
  readonly log: FileHandle;
}

export interface DraftOptions {
  /** The folder of all run folders. */
  readonly run: string;
  readonly directories: Pick<Directories, 'ownerOf' | 'realData'>;
}

/** Made under a name that nobody knows, while the lock is being taken. */
export async function makeDraft(
  { run, directories }: DraftOptions,
  directory: string,
  slot: SlotNote,
): Promise<Draft> {
  const folder = join(run, `.${directoryIdOf(randomBytes(10))}`);
  const [owner, data] = await Promise.all([
    directories.ownerOf(directory),
    directories.realData(directory),
    mkdir(folder, { mode: 0o711 }),
  ]);
  const note: SlotNote = {
    size: slot.size,
    slot: slot.slot,
    ...(slot.database === undefined ? {} : { database: slot.database }),
  };
  const [logFile] = await Promise.all([
    open(join(folder, 'log'), constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY, 0o600),
    writeFile(join(folder, 'slot.json'), JSON.stringify(note), { mode: 0o600 }),
    chmod(folder, 0o711),
    owner === undefined ? undefined : chown(folder, owner.uid, owner.gid),
  ]);
  return { folder, owner, data, log: logFile };
}

export async function dropDraft(draft: Draft): Promise<void> {
  await draft.log.close();
  await rm(draft.folder, { recursive: true, force: true });
}

/** Gives the draft the name that others look for. */
export async function placeDraft(draft: Draft, folder: string): Promise<void> {
  try {
    await rename(draft.folder, folder);
  } catch (error) {
    // Left by a crash before this epoch was minted: it has never been anyone's.
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    await rm(folder, { recursive: true, force: true });
    await rename(draft.folder, folder);
  }
}
