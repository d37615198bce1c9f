/**
 * Identity documents on the volume. A database is claimed by making its folder (O_EXCL); its
 * document is replaced under a short lock of its own, read-compare-write, whole and durable.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '../model/errors.ts';
import type { Identity, NewIdentity } from '../model/identity.ts';
import { parseIdentity } from '../model/identity-parse.ts';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { replaceFile, syncFolder } from '../lib/files.ts';
import type { HeldLock, Locks } from './lock.ts';
import type { Volume } from './volume.ts';

export interface Identities {
  /** @returns undefined if there is no such database. */
  readonly read: (database: string) => Promise<Identity | undefined>;
  /** The same, or what was read or written here less than `maxAgeMs` ago. */
  readonly recent: (database: string, maxAgeMs: number) => Promise<Identity | undefined>;
  /** Where a database's data are, if that is known here and it lives: it never changes. */
  readonly directoryOf: (database: string) => string | undefined;
  /**
   * Binds a new database to its directory, as version 1. Repeatable with the same directory.
   * @throws AppError `identity_conflict` if the database is bound to another one already.
   */
  readonly create: (identity: NewIdentity, directory: string) => Promise<Identity>;
  /**
   * Replaces a document by its next version.
   * @param document whose `version` is ignored: it becomes `expectedVersion` + 1.
   * @throws AppError `identity_conflict` with `version` if that is not the current one,
   * `database_not_found`, `bad_request` if id or directory differ: these never change;
   * `database_deleted` if it takes back a tombstone whose data have been purged.
   */
  readonly replace: (
    database: string,
    expectedVersion: number,
    document: Identity,
  ) => Promise<Identity>;
  /** Runs `work` while nobody can change the document; for as short as a replace takes. */
  readonly under: <T>(
    database: string,
    work: (identity: Identity | undefined) => Promise<T>,
  ) => Promise<T>;
}

/** Documents kept in memory, about 1 KB each. */
const KNOWN_MAX = 5_000;
/** How long a writer waits for another one, whose write takes milliseconds. */
const LOCK_WAIT_S = 2;

/** Where the documents are, and what of them was read or written here last. */
interface Store {
  readonly volume: Volume;
  readonly locks: Locks;
  readonly known: Map<string, { readonly identity: Identity; readonly at: number }>;
}

/** Reads what a file or a request holds; a document that is damaged stops its database's start. */
function parseDocument(text: string, database: string): Identity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('start_failed', {
      detail: 'the identity document is damaged',
      cause: error,
    });
  }
  const parsed = parseIdentity(value);
  if ('wrong' in parsed || parsed.id !== database) {
    const wrong = 'wrong' in parsed ? parsed.wrong : 'id';
    throw new AppError('start_failed', { detail: `the identity document is damaged: ${wrong}` });
  }
  return parsed;
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  // Of an earlier attempt that crashed, the name may not be durable yet.
  await syncFolder(dirname(path));
}

function learn({ known }: Store, identity: Identity): Identity {
  // The oldest goes, and is read again when it is wanted.
  known.delete(identity.id);
  const [oldest] = known.size < KNOWN_MAX ? [] : known.keys();
  if (oldest !== undefined) known.delete(oldest);
  known.set(identity.id, { identity, at: performance.now() });
  return identity;
}

async function tryRead(volume: Volume, database: string): Promise<Identity | undefined> {
  try {
    return parseDocument(await readFile(volume.database(database).document, 'utf8'), database);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Without its volume an agent knows of no database, and must not say that there is none. */
async function checkVolume(volume: Volume): Promise<void> {
  try {
    await stat(volume.file);
  } catch (error) {
    throw new AppError('unavailable', { detail: 'the volume is not there', cause: error });
  }
}

/**
 * Reads a document and remembers nothing of it. @returns undefined if there is no such database.
 * @throws AppError `unavailable` if the volume is not there, `start_failed` if the document is damaged.
 */
export async function readDocument(
  volume: Volume,
  database: string,
): Promise<Identity | undefined> {
  const found = await tryRead(volume, database);
  if (found !== undefined) return found;
  await checkVolume(volume);
  // It may have come back only now; or gone now.
  const again = await tryRead(volume, database);
  if (again === undefined) await checkVolume(volume);
  return again;
}

async function read(store: Store, database: string): Promise<Identity | undefined> {
  const identity = await readDocument(store.volume, database);
  return identity && learn(store, identity);
}

/** Runs `work` under the document's lock. */
async function locked<T>(
  store: Store,
  database: string,
  mayMakeFile: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const path = store.volume.database(database).lock;
  const lock: HeldLock | 'busy' | 'gone' = await store.locks.take(path, {
    waitSeconds: LOCK_WAIT_S,
    create: mayMakeFile,
  });
  if (lock === 'gone') {
    await checkVolume(store.volume);
    throw new AppError('database_not_found');
  }
  if (lock === 'busy') throw new AppError('identity_conflict', { detail: 'being changed' });
  try {
    return await work();
  } finally {
    await lock.close();
  }
}

async function write(store: Store, identity: Identity): Promise<Identity> {
  const text = `${JSON.stringify(identity, undefined, 2)}\n`;
  await replaceFile(store.volume.database(identity.id).document, text);
  return learn(store, identity);
}

/** A purge takes the data away under the same lock. */
async function checkData({ volume }: Store, { directory }: Identity): Promise<void> {
  try {
    await stat(volume.directory(directory).data);
  } catch (error) {
    await checkVolume(volume);
    if (isMissing(error)) throw new AppError('database_deleted', { detail: 'its data are gone' });
    throw error;
  }
}

async function recent(
  store: Store,
  database: string,
  maxAgeMs: number,
): Promise<Identity | undefined> {
  const found = store.known.get(database);
  const fresh = found !== undefined && performance.now() - found.at < maxAgeMs;
  return fresh ? found.identity : read(store, database);
}

function directoryOf(store: Store, database: string): string | undefined {
  const identity = store.known.get(database)?.identity;
  return identity?.deleted_at === null ? identity.directory : undefined;
}

async function create(store: Store, identity: NewIdentity, directory: string): Promise<Identity> {
  await makeFolder(store.volume.database(identity.id).folder);
  return locked(store, identity.id, true, async () => {
    const found = await read(store, identity.id);
    if (found === undefined) return write(store, { ...identity, directory, version: 1 });
    if (found.directory !== directory)
      throw new AppError('identity_conflict', { data: { version: found.version } });
    return found;
  });
}

async function replace(
  store: Store,
  database: string,
  expectedVersion: number,
  document: Identity,
): Promise<Identity> {
  return locked(store, database, false, async () => {
    const found = await read(store, database);
    if (found === undefined) throw new AppError('database_not_found');
    if (found.version !== expectedVersion)
      throw new AppError('identity_conflict', { data: { version: found.version } });
    if (document.id !== found.id || document.directory !== found.directory)
      throw new AppError('bad_request', { detail: 'id and directory never change' });
    if (found.deleted_at !== null && document.deleted_at === null) await checkData(store, found);
    return write(store, { ...document, version: expectedVersion + 1 });
  });
}

export function createIdentities(volume: Volume, locks: Locks): Identities {
  const store: Store = { volume, locks, known: new Map() };
  return {
    read: (database) => read(store, database),
    recent: (database, maxAgeMs) => recent(store, database, maxAgeMs),
    directoryOf: (database) => directoryOf(store, database),
    create: (identity, directory) => create(store, identity, directory),
    replace: (database, expectedVersion, document) =>
      replace(store, database, expectedVersion, document),
    under: (database, work) =>
      locked(store, database, false, async () => work(await read(store, database))),
  };
}
