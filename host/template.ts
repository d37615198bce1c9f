/**
 * The template of data directories: made once per volume by initdb, with the tenant's role and
 * database in it, and copied for every new directory.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, lchown, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { syncFolder } from '../lib/files.ts';
import { AppError } from '../model/errors.ts';
import { directoryIdOf } from '../model/ids.ts';
import { coldCopy } from './cold-files.ts';
import type { Locks } from './lock.ts';
import { buildTemplate, templateName, type BuildOptions } from './template-build.ts';
import type { Volume } from './volume.ts';

/** Files copied at once; the pool that does it has four threads. */
const COPIES_AT_ONCE = 8;

/** Whether somebody waits. */
export type Pace = 'now' | 'cold';

export interface Templates {
  /** Makes the template unless there is one; takes about a second then. */
  readonly ensure: () => Promise<void>;
  /**
   * Copies the template to `data`, durably: at once, or at cold priority where nobody waits for it.
   * @param user to whom the copy belongs, where the agent is root.
   * @throws AppError `storage_full`
   */
  readonly clone: (
    data: string,
    user: { readonly uid: number; readonly gid: number } | undefined,
    pace: Pace,
  ) => Promise<void>;
}

export interface TemplateOptions extends BuildOptions {
  readonly volume: Volume;
  readonly locks: Locks;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Runs `work` over items, so many at once. */
async function forEach<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>) {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Names in the template, below its data directory. */
interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

interface Made extends TemplateOptions {
  /** Its data directory, once that is there. */
  template: string | undefined;
  /** Read once: the template never changes. */
  listing: Listing | undefined;
}

async function ensureLocked(made: Made, path: string): Promise<void> {
  const { volume } = made;
  if (await exists(path)) return;
  const draft = join(volume.templates, `.${directoryIdOf(randomBytes(10))}`);
  try {
    await buildTemplate(made, draft);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(volume.templates);
}

async function ensure(made: Made): Promise<void> {
  const { volume, locks, pg } = made;
  const path = join(volume.templates, await templateName(pg));
  if (!(await exists(path))) {
    const lock = await locks.take(join(volume.templates, 'lock'), {
      waitSeconds: 60,
      create: true,
    });
    if (typeof lock === 'string')
      throw new AppError('start_failed', { detail: 'the template is being made elsewhere' });
    try {
      await ensureLocked(made, path);
    } finally {
      await lock.close();
    }
  }
  made.template = join(path, 'data');
}

async function list(made: Made): Promise<Listing> {
  const { template, listing } = made;
  if (listing !== undefined) return listing;
  if (template === undefined) throw new Error('BUG: clone before ensure');
  const entries = await readdir(template, { recursive: true, withFileTypes: true });
  const pathOf = (entry: (typeof entries)[number]): string =>
    join(entry.parentPath, entry.name).slice(template.length + 1);
  return (made.listing = {
    folders: entries
      .filter((entry) => entry.isDirectory())
      .map(pathOf)
      .sort(),
    files: entries.filter((entry) => entry.isFile()).map(pathOf),
  });
}

async function clone(
  made: Made,
  data: string,
  user: { readonly uid: number; readonly gid: number } | undefined,
): Promise<void> {
  const from = made.template ?? '';
  const { folders, files: names } = await list(made);
  const own = async (path: string): Promise<void> => {
    if (user !== undefined) await lchown(path, user.uid, user.gid);
  };
  try {
    await mkdir(data, { mode: 0o700 });
    for (const name of folders) await mkdir(join(data, name), { mode: 0o700 });
    await forEach(names, COPIES_AT_ONCE, async (name) => {
      await copyFile(join(from, name), join(data, name), constants.COPYFILE_FICLONE);
      await own(join(data, name));
      await syncFile(join(data, name));
    });
    for (const path of [...folders.map((name) => join(data, name)), data]) {
      await own(path);
      await syncFolder(path);
    }
  } catch (error) {
    await rm(data, { recursive: true, force: true });
    if (errnoOf(error) === 'ENOSPC') throw new AppError('storage_full', { cause: error });
    throw error;
  }
}

export function createTemplates(options: TemplateOptions): Templates {
  const made: Made = { ...options, template: undefined, listing: undefined };
  return {
    ensure: () => ensure(made),
    async clone(data, user, pace) {
      if (pace === 'cold' && (await coldCopy(made.template ?? '', data, user))) return;
      // Whatever went wrong there is said here, as one of the agent's own errors.
      if (pace === 'cold') await rm(data, { recursive: true, force: true });
      await clone(made, data, user);
    },
  };
}
