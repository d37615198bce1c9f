/** Making and removing data directories, and what lies beside the data in them. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { replaceFile, syncFolder } from '../lib/files.ts';
import { AppError } from '../model/errors.ts';
import { DIRECTORY_ID_BYTES, directoryIdOf } from '../model/ids.ts';
import { coldRemove } from './cold-files.ts';
import { isRoot } from './prepare.ts';
import { createRunFile, type RunRecord } from './run-record.ts';
import type { Pace, Templates } from './template.ts';
import { releaseUid, reserveUid } from './uids.ts';
import type { Volume } from './volume.ts';

export interface UnixIds {
  readonly uid: number;
  readonly gid: number;
}

export interface Directories {
  readonly newId: () => string;
  /**
   * Makes a directory with a copy of the template, durably. It is this host's and unreleased from
   * the first moment, so that a crash leaves nothing that nobody clears.
   * @throws AppError `storage_full`, `no_capacity`
   */
  readonly make: (id: string, pace: Pace) => Promise<void>;
  /** Removes a directory and frees its unix user. The caller holds its lock, nothing runs in it. */
  readonly remove: (id: string) => Promise<void>;
  /** The user of its data; undefined where the agent is not root. */
  readonly ownerOf: (id: string) => Promise<UnixIds | undefined>;
  /** The data's path without symbolic links, as /proc shows it. */
  readonly realData: (id: string) => Promise<string>;
  /** Writes, durably and once, for which database a directory is meant. */
  readonly writeHint: (id: string, database: string) => Promise<void>;
  readonly readHint: (id: string) => Promise<string | undefined>;
}

export interface DirectoriesOptions {
  readonly volume: Volume;
  readonly templates: Templates;
  /** What the first run record says besides epoch and sequence. */
  readonly me: Pick<RunRecord, 'host' | 'boot' | 'machine'>;
}

async function makeEmptyFile(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  await file.close();
}

export function createDirectories(options: DirectoriesOptions): Directories {
  const { volume, templates, me } = options;

  async function ownerOf(id: string): Promise<UnixIds | undefined> {
    if (!isRoot()) return undefined;
    const { uid, gid } = await stat(volume.directory(id).data);
    return { uid, gid };
  }

  async function remove(id: string): Promise<void> {
    const { folder } = volume.directory(id);
    const owner = await ownerOf(id).catch(() => undefined);
    // In two steps: whatever crashes between them, no half-empty directory keeps a valid name.
    const grave = join(volume.directories, `.${id}.gone`);
    try {
      await rename(folder, grave);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    // What it has left, and where it can not be run.
    if (!(await coldRemove(grave))) await rm(grave, { recursive: true, force: true });
    await syncFolder(volume.directories);
    if (owner !== undefined) await releaseUid(volume.uids, owner.uid);
  }

  async function makeParts(id: string, pace: Pace): Promise<void> {
    const paths = volume.directory(id);
    await mkdir(paths.folder, { mode: 0o711 });
    await makeEmptyFile(paths.lock);
    await createRunFile(paths.run, { ...me, epoch: 0, released: false });
    const uid = isRoot() ? await reserveUid(volume.uids, id) : undefined;
    await templates.clone(paths.data, uid === undefined ? undefined : { uid, gid: uid }, pace);
    await syncFolder(paths.folder);
    await syncFolder(volume.directories);
  }

  return {
    newId: () => directoryIdOf(randomBytes(DIRECTORY_ID_BYTES)),
    async make(id, pace) {
      try {
        await makeParts(id, pace);
      } catch (error) {
        await remove(id);
        if (errnoOf(error) === 'ENOSPC') throw new AppError('storage_full', { cause: error });
        throw error;
      }
    },
    remove,
    ownerOf,
    realData: (id) => realpath(volume.directory(id).data),
    writeHint: (id, database) => replaceFile(volume.directory(id).hint, `${database}\n`),
    async readHint(id) {
      try {
        return (await readFile(volume.directory(id).hint, 'utf8')).trim();
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
  };
}
