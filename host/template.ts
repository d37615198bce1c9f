/**
 * The template of data directories: made once per volume by initdb, with the tenant's role and
 * database in it, and copied for every new directory.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  lchown,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isMissing, syncFolder } from '../lib/files.ts';
import { AppError } from '../model/errors.ts';
import { OWNER_DATABASE, OWNER_ROLE, SUPERUSER, directoryIdOf } from '../model/ids.ts';
import { runInitdb, runProgram } from './initdb.ts';
import type { Locks } from './lock.ts';
import type { Installation, UnixUser } from './prepare.ts';
import type { Volume } from './volume.ts';

/**
 * postgresql.conf of every directory: what a session may change for itself. Short, since every
 * start reads it; all else is on the command line.
 */
const CONF = `lc_messages = 'C'
lc_monetary = 'C'
lc_numeric = 'C'
lc_time = 'C'
timezone = 'UTC'
datestyle = 'iso, mdy'
default_text_search_config = 'pg_catalog.english'
`;

/** The superuser's own database is closed to tenants, so that their sessions can be told from ours. */
const SETUP = `create role ${OWNER_ROLE} login createdb createrole;
create database ${OWNER_DATABASE} owner ${OWNER_ROLE};
revoke connect, temporary on database postgres from public;
`;

/** MiB: a sleeping database keeps one or two of these segments. */
const WAL_SEGMENT_MIB = 4;
/** Files copied at once; the pool that does it has four threads. */
const COPIES_AT_ONCE = 8;

export interface Templates {
  /** Makes the template unless there is one; takes about a second then. */
  readonly ensure: () => Promise<void>;
  /**
   * Copies the template to `data`, durably.
   * @param user to whom the copy belongs, where the agent is root.
   * @throws AppError `storage_full`
   */
  readonly clone: (
    data: string,
    user: { readonly uid: number; readonly gid: number } | undefined,
  ) => Promise<void>;
}

export interface TemplateOptions {
  readonly volume: Volume;
  readonly locks: Locks;
  readonly pg: Installation;
  /** Whom initdb runs as, where the agent is root: it refuses to run as root. */
  readonly builder: UnixUser | undefined;
}

/** Names what the template is made of: another Postgres or other contents are another template. */
async function templateName(pg: Installation): Promise<string> {
  const binary = await stat(join(pg.folder, 'bin/postgres'));
  const recipe = [binary.size, CONF, SETUP, WAL_SEGMENT_MIB].join('\n');
  return createHash('sha256').update(recipe).digest('hex').slice(0, 16);
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

/** Runs `work` over items, so many at once. */
async function forEach<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>) {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export function createTemplates(options: TemplateOptions): Templates {
  const { volume, pg, builder } = options;
  let template: string | undefined;
  let files: { folders: readonly string[]; files: readonly string[] } | undefined;

  async function build(draft: string): Promise<void> {
    const data = join(draft, 'data');
    await mkdir(draft, { mode: 0o711 });
    await mkdir(data, { mode: 0o700 });
    if (builder !== undefined) await chown(data, builder.uid, builder.gid);
    const user = builder === undefined ? {} : { user: builder };
    await runInitdb({
      pg,
      data,
      ...user,
      superuser: SUPERUSER,
      extra: ['--auth=reject', `--wal-segsize=${WAL_SEGMENT_MIB}`],
    });
    // initdb's own access files are never read: the agent passes its own.
    for (const name of ['pg_hba.conf', 'pg_ident.conf']) await rm(join(data, name));
    await writeFile(join(data, 'postgresql.conf'), CONF);
    await runProgram({
      pg,
      program: 'postgres',
      args: ['--single', '-D', data, 'postgres'],
      ...user,
      input: SETUP,
    });
    await chown(data, process.getuid?.() ?? -1, process.getgid?.() ?? -1);
    await chmod(draft, 0o700);
  }

  async function ensureLocked(path: string): Promise<void> {
    if (await exists(path)) return;
    const draft = join(volume.templates, `.${directoryIdOf(randomBytes(10))}`);
    try {
      await build(draft);
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    await syncFolder(volume.templates);
  }

  async function ensure(): Promise<void> {
    const path = join(volume.templates, await templateName(pg));
    if (!(await exists(path))) {
      const lock = await options.locks.take(join(volume.templates, 'lock'), {
        waitSeconds: 60,
        create: true,
      });
      if (typeof lock === 'string')
        throw new AppError('start_failed', { detail: 'the template is being made elsewhere' });
      try {
        await ensureLocked(path);
      } finally {
        await lock.close();
      }
    }
    template = join(path, 'data');
  }

  async function list(): Promise<NonNullable<typeof files>> {
    if (files !== undefined) return files;
    if (template === undefined) throw new Error('BUG: clone before ensure');
    const entries = await readdir(template, { recursive: true, withFileTypes: true });
    const pathOf = (entry: (typeof entries)[number]): string =>
      join(entry.parentPath, entry.name).slice((template ?? '').length + 1);
    files = {
      folders: entries
        .filter((entry) => entry.isDirectory())
        .map(pathOf)
        .sort(),
      files: entries.filter((entry) => entry.isFile()).map(pathOf),
    };
    return files;
  }

  return {
    ensure,
    async clone(data, user) {
      const from = template ?? '';
      const { folders, files: names } = await list();
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
    },
  };
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
