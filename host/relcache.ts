/**
 * Postgres' relation cache files, kept from the orderly end of one run for the next one's first session,
 * which else reads the same out of the catalogs: an eighth of a wake (decision 0007).
 *
 * Postgres removes them at every start. After a crash it must, since the log may change what they say;
 * after an orderly end "in theory we could leave it in place" (StartupXLOG of xlog.c). What we add is the
 * proof that it was one: they are put back only if pg_control was, before the start, byte for byte what
 * it was at the end of the run that left them, and said "shut down". No restore of a backup, no crash, no
 * run of somebody else leaves it so. Nor has the program changed meanwhile, whose own form the files have.
 * A file is never changed in place by Postgres, so that a link keeps it.
 */
import { createHash } from 'node:crypto';
import { linkSync } from 'node:fs';
import { link, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { isMissing } from '../lib/errno.ts';
import type { DirectoryPaths } from './volume.ts';

const CACHE_FILE = 'pg_internal.init';
/** Offset of `state` in ControlFileData, and DB_SHUTDOWNED (src/include/catalog/pg_control.h). */
const STATE_AT = 16;
const SHUT_DOWN = 1;

/** What is kept, and of which end of which run. */
interface Note {
  readonly control: string;
  readonly folders: readonly string[];
}

export interface RelcachePaths extends Pick<DirectoryPaths, 'data' | 'relcache'> {
  /** The program that reads and writes the files. */
  readonly program: string;
}

const savedName = (folder: string): string => folder.replace('/', '.');

/** @returns undefined unless pg_control says that the last run has ended in order. */
async function controlOf({ data, program }: RelcachePaths): Promise<string | undefined> {
  const [bytes, { size, mtimeMs }] = await Promise.all([
    readFile(join(data, 'global/pg_control')),
    stat(program),
  ]);
  // Postgres writes it in the order of the machine; on the other kind nothing is ever kept.
  if (endianness() !== 'LE' || bytes.readInt32LE(STATE_AT) !== SHUT_DOWN) return undefined;
  return createHash('sha256').update(bytes).update(`${size} ${mtimeMs}`).digest('hex');
}

async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Links the file of one database, durably. @returns false if it has none. */
async function keepOne({ data, relcache }: RelcachePaths, folder: string): Promise<boolean> {
  const file = join(data, folder, CACHE_FILE);
  const saved = join(relcache, savedName(folder));
  const inode = await inodeOf(file);
  if (inode === undefined) return false;
  // The one that was put back at the start of this run.
  if (inode === (await inodeOf(saved))) return true;
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rm(`${saved}.draft`, { force: true });
  await link(file, `${saved}.draft`);
  await rename(`${saved}.draft`, saved);
  return true;
}

/** After the end of a run and before anyone else may begin one. Keeps nothing after a crash. */
export async function keepRelcache(paths: RelcachePaths): Promise<void> {
  const { data, relcache } = paths;
  const control = await controlOf(paths);
  if (control === undefined) return;
  await mkdir(relcache, { recursive: true, mode: 0o700 });
  const databases = await readdir(join(data, 'base'));
  const folders: string[] = [];
  for (const folder of ['global', ...databases.map((oid) => `base/${oid}`)])
    if (await keepOne(paths, folder)) folders.push(folder);
  // Not flushed: what a crash of the machine leaves of it fits no pg_control.
  const note: Note = { control, folders };
  const handle = await open(join(relcache, 'note.draft'), 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(note));
  } finally {
    await handle.close();
  }
  await rename(join(relcache, 'note.draft'), join(relcache, 'note'));
}

async function readNote(relcache: string): Promise<Note | undefined> {
  try {
    return JSON.parse(await readFile(join(relcache, 'note'), 'utf8')) as Note;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Looks, under the directory's lock and before Postgres is spawned, what may be put back.
 * @returns what puts it back: called once Postgres is ready, and before anyone is told where it runs.
 */
export async function findRelcache(paths: RelcachePaths): Promise<() => void> {
  const { data, relcache } = paths;
  // A directory that is damaged is Postgres' to complain of.
  const control = await controlOf(paths).catch(() => undefined);
  const note = await readNote(relcache);
  if (note === undefined || control === undefined || note.control !== control)
    return () => undefined;
  return () => {
    for (const folder of note.folders) {
      try {
        linkSync(join(relcache, savedName(folder)), join(data, folder, CACHE_FILE));
      } catch {
        // Already made anew by a worker of Postgres, or not to be had: then it is made anew.
      }
    }
  };
}
