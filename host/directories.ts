/** Making and removing data directories, and what lies beside the data in them. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, readdir, realpath, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { replaceFile, syncFolder } from '../lib/files.ts';
import { AppError } from '../model/errors.ts';
import { DIRECTORY_ID_BYTES, directoryIdOf } from '../model/ids.ts';
import { removeAll } from './cold-files.ts';
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
  /** Removes what agents that ended in the midst of a removal have left, of this host or another. */
  readonly removeGone: () => Promise<void>;
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

/** What is left of a directory on its way out: its id, and its unix user if it had one. */
const GRAVE = /^\.([^.]+)(?:\.(\d+))?\.gone$/;

interface Grave {
  readonly id: string;
  readonly uid: number | undefined;
}

const graveName = ({ id, uid }: Grave): string =>
  uid === undefined ? `.${id}.gone` : `.${id}.${uid}.gone`;

function graveOf(name: string): Grave | undefined {
  const [, id, uid] = GRAVE.exec(name) ?? [];
  return id === undefined ? undefined : { id, uid: uid === undefined ? undefined : Number(uid) };
}

async function makeEmptyFile(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  await file.close();
}

/** Two hosts may be at the same one. */
async function bury(volume: Volume, grave: Grave): Promise<void> {
  await removeAll(join(volume.directories, graveName(grave)));
  await syncFolder(volume.directories);
  if (grave.uid !== undefined) await releaseUid(volume.uids, grave.uid, grave.id);
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
    const grave = { id, uid: owner?.uid };
    // In two steps: whatever crashes between them, no half-empty directory keeps a valid name.
    try {
      await rename(folder, join(volume.directories, graveName(grave)));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    await bury(volume, grave);
  }

  async function removeGone(): Promise<void> {
    for (const name of await readdir(volume.directories)) {
      const grave = graveOf(name);
      if (grave !== undefined) await bury(volume, grave);
    }
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
    removeGone,
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
