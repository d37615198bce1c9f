/**
 * The volume as simulated agents see it: documents, run records and locks of directories, in memory.
 * It outlives every agent, as a volume does. What really guards a directory is `lock.ts` and
 * `run-record.ts`; this keeps the same rules (docs/spec.md, I16 to I18) without any file.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import type { Identity, NewIdentity } from '../model/identity.ts';
import { DIRECTORY_ID_BYTES, directoryIdOf } from '../model/ids.ts';
import type { SlotRef } from '../model/wire.ts';
import { IDENTITIES_PER_PAGE, type IdentityPage, type ListedIdentity } from './contract.ts';

const VOLUME = 'simulated';

/** A run that lives: its processes hold the lock. */
export interface SimProcess extends SlotRef {
  readonly host: string;
  readonly epoch: number;
  /** False: it lives and does not answer. */
  answers: boolean;
}

export interface SimDirectory {
  readonly id: string;
  /** The run record: the epoch that was minted last, by whom, and whether that run is over for good. */
  epoch: number;
  host: string;
  released: boolean;
  process: SimProcess | undefined;
  /** The agent that is at it, between taking the lock and handing it to what it spawned. */
  takenBy: { readonly host: string } | undefined;
  purged: boolean;
}

export interface SimVolume {
  readonly id: string;
  readonly identity: (database: string) => Identity | undefined;
  /** @throws AppError `identity_conflict` if it is bound to another directory already. */
  readonly bind: (identity: NewIdentity, directory: string) => Identity;
  /** @throws AppError as the real agent's replace. */
  readonly replace: (database: string, expectedVersion: number, document: Identity) => Identity;
  /** As the real agent's listing. @param host that is asked. */
  readonly list: (host: string, after: string) => IdentityPage;
  readonly makeDirectory: (host: string) => SimDirectory;
  readonly removeDirectory: (id: string) => void;
  readonly directory: (id: string) => SimDirectory | undefined;
  readonly directories: () => Iterable<SimDirectory>;
  /** Database that a directory is bound to. */
  readonly databaseOf: (directory: string) => string | undefined;
  /** Hosts whose heartbeat has stood still for so long that what they ran last may be taken. */
  readonly still: Set<string>;
}

interface Store {
  readonly documents: Map<string, Identity>;
  readonly directories: Map<string, SimDirectory>;
  readonly bound: Map<string, string>;
}

function bind(store: Store, identity: NewIdentity, directory: string): Identity {
  const found = store.documents.get(identity.id);
  if (found !== undefined && found.directory !== directory)
    throw new AppError('identity_conflict', { data: { version: found.version } });
  if (found !== undefined) return found;
  const document: Identity = { ...identity, directory, version: 1 };
  store.documents.set(identity.id, document);
  store.bound.set(directory, identity.id);
  return document;
}

function replace(
  store: Store,
  database: string,
  expectedVersion: number,
  document: Identity,
): Identity {
  const found = store.documents.get(database);
  if (found === undefined) throw new AppError('database_not_found');
  if (found.version !== expectedVersion)
    throw new AppError('identity_conflict', { data: { version: found.version } });
  if (document.id !== found.id || document.directory !== found.directory)
    throw new AppError('bad_request', { detail: 'id and directory never change' });
  const comesBack = found.deleted_at !== null && document.deleted_at === null;
  if (comesBack && store.directories.get(found.directory)?.purged !== false)
    throw new AppError('database_deleted', { detail: 'its data are gone' });
  const next: Identity = { ...document, version: expectedVersion + 1 };
  store.documents.set(database, next);
  return next;
}

function list({ documents, directories }: Store, asked: string, after: string): IdentityPage {
  const ids = [...documents.keys()].filter((id) => id > after).sort();
  const page = ids.slice(0, IDENTITIES_PER_PAGE);
  const listed = page.flatMap((id) => documents.get(id) ?? []);
  return {
    volume: VOLUME,
    hosts: [...new Set([asked, ...[...directories.values()].map(({ host }) => host)])].sort(),
    identities: listed.map((identity): ListedIdentity => {
      const found = directories.get(identity.directory);
      const { epoch = 0, host = '', released = true, purged = false } = found ?? {};
      return { identity, run: found === undefined ? null : { epoch, host, released }, purged };
    }),
    damaged: [],
    next: ids.length > page.length ? (page.at(-1) ?? null) : null,
  };
}

export function createSimVolume(): SimVolume {
  const store: Store = { documents: new Map(), directories: new Map(), bound: new Map() };
  return {
    id: VOLUME,
    identity: (database) => store.documents.get(database),
    bind: (identity, directory) => bind(store, identity, directory),
    replace: (database, expectedVersion, document) =>
      replace(store, database, expectedVersion, document),
    list: (host, after) => list(store, host, after),
    makeDirectory(host) {
      const id = directoryIdOf(randomBytes(DIRECTORY_ID_BYTES));
      const directory: SimDirectory = {
        ...{ id, host, epoch: 0, released: true, purged: false },
        process: undefined,
        takenBy: undefined,
      };
      store.directories.set(id, directory);
      return directory;
    },
    removeDirectory: (id) => void store.directories.delete(id),
    directory: (id) => store.directories.get(id),
    directories: () => store.directories.values(),
    databaseOf: (directory) => store.bound.get(directory),
    still: new Set(),
  };
}

/**
 * Takes a directory's lock for an agent, as `holding.ts` does.
 * @returns what frees it, unless an end of the agent has freed it before.
 * @throws AppError `held_elsewhere` with `host` and `epoch`, `previous_incarnation_alive`.
 */
export function takeDirectory(volume: SimVolume, directory: SimDirectory, host: string) {
  const { epoch, process } = directory;
  const elsewhere = (holder: string): AppError =>
    new AppError('held_elsewhere', { data: { host: holder, epoch } });
  // What this host's own last run has left is killed.
  if (process?.host === host) directory.process = undefined;
  else if (process !== undefined) throw elsewhere(process.host);
  if (directory.takenBy?.host === host) throw new AppError('previous_incarnation_alive');
  if (directory.takenBy !== undefined) throw elsewhere(directory.takenBy.host);
  const mayRun = directory.released || directory.host === host || volume.still.has(directory.host);
  if (!mayRun) throw elsewhere(directory.host);
  const holder = { host };
  directory.takenBy = holder;
  return (): void => {
    if (directory.takenBy === holder) directory.takenBy = undefined;
  };
}

/**
 * Makes an epoch this host's; undefined = the next one. @returns it.
 * @throws AppError `stale_epoch` with `minted` if it has been used.
 */
export function mint(directory: SimDirectory, host: string, asked = directory.epoch + 1): number {
  if (asked <= directory.epoch)
    throw new AppError('stale_epoch', { data: { minted: directory.epoch } });
  directory.epoch = asked;
  directory.host = host;
  directory.released = false;
  return asked;
}
