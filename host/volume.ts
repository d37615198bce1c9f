/**
 * The volume's layout, the one place that knows its paths:
 *
 *     volume.json                     id and kind
 *     hosts/<host>/                   boot, heartbeat, agent.lock, journal/
 *     directories/<directory>/        data/ (PGDATA), lock, run, database (which one it was made for),
 *                                     relcache/
 *     databases/<database>/           identity.json, identity.lock, purged.json (what was removed)
 *     templates/<name>/               what new directories are copied from
 *     uids/<n>                        unix users given away, where agents run as root
 */
import { link, mkdir, readFile, rm, statfs } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { replaceFile, syncFolder } from '../lib/files.ts';
import { DIRECTORY_ID_BYTES, directoryIdOf } from '../model/ids.ts';

export interface DirectoryPaths {
  readonly folder: string;
  readonly data: string;
  readonly lock: string;
  readonly run: string;
  /** Kept from one run for the next. */
  readonly relcache: string;
  /** Names the database that this directory was once meant for; the identity document decides. */
  readonly hint: string;
}

export interface DatabasePaths {
  readonly folder: string;
  readonly document: string;
  readonly lock: string;
  /** What a purge removed. */
  readonly proof: string;
  /** Is there from the first login on. */
  readonly visited: string;
}

export interface HostPaths {
  readonly folder: string;
  readonly boot: string;
  readonly heartbeat: string;
  /** Is there while others ask for this host to be fenced. */
  readonly fence: string;
  readonly lock: string;
  readonly journal: string;
}

export interface Space {
  readonly free_bytes: number;
  readonly total_bytes: number;
}

export interface Volume {
  readonly id: string;
  readonly kind: 'shared' | 'local';
  readonly root: string;
  /** The file whose disappearance means that the volume is gone. */
  readonly file: string;
  readonly hosts: string;
  readonly directories: string;
  readonly databases: string;
  readonly templates: string;
  readonly uids: string;
  readonly host: (id: string) => HostPaths;
  readonly directory: (id: string) => DirectoryPaths;
  readonly database: (id: string) => DatabasePaths;
  readonly space: () => Promise<Space>;
}

interface VolumeFile {
  readonly id: string;
  readonly kind: 'shared' | 'local';
}

/** Writes volume.json unless another agent has; the link makes it appear whole or not at all. */
async function nameVolume(root: string, file: string): Promise<void> {
  const draft = join(root, `.volume.${process.pid}.${Date.now()}`);
  const named: VolumeFile = { id: directoryIdOf(randomBytes(DIRECTORY_ID_BYTES)), kind: 'shared' };
  await replaceFile(draft, `${JSON.stringify(named)}\n`, 0o644);
  try {
    await link(draft, file);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(root);
}

async function readVolumeFile(root: string): Promise<VolumeFile> {
  const file = join(root, 'volume.json');
  for (let attempt = 0; ; attempt++) {
    try {
      return JSON.parse(await readFile(file, 'utf8')) as VolumeFile;
    } catch (error) {
      if (error instanceof SyntaxError)
        throw new ConfigError(`${file} is not JSON`, { cause: error });
      if (!isMissing(error) || attempt > 0) throw error;
    }
    await nameVolume(root, file);
  }
}

async function makeFolders(root: string): Promise<void> {
  // Tenants' users must pass through these two; what is below is closed to others.
  for (const name of ['directories', 'templates'])
    await mkdir(join(root, name), { recursive: true, mode: 0o711 });
  for (const name of ['hosts', 'databases', 'uids'])
    await mkdir(join(root, name), { recursive: true, mode: 0o700 });
}

/** The paths alone, without a look at the volume. */
export function volumePaths(root: string): Omit<Volume, 'id' | 'kind' | 'space'> {
  return {
    root,
    file: join(root, 'volume.json'),
    hosts: join(root, 'hosts'),
    directories: join(root, 'directories'),
    databases: join(root, 'databases'),
    templates: join(root, 'templates'),
    uids: join(root, 'uids'),
    host: (id) => {
      const folder = join(root, 'hosts', id);
      return {
        folder,
        boot: join(folder, 'boot'),
        heartbeat: join(folder, 'heartbeat'),
        fence: join(folder, 'fence'),
        lock: join(folder, 'agent.lock'),
        journal: join(folder, 'journal'),
      };
    },
    directory: (id) => {
      const folder = join(root, 'directories', id);
      return {
        folder,
        data: join(folder, 'data'),
        lock: join(folder, 'lock'),
        run: join(folder, 'run'),
        relcache: join(folder, 'relcache'),
        hint: join(folder, 'database'),
      };
    },
    database: (id) => {
      const folder = join(root, 'databases', id);
      return {
        folder,
        document: join(folder, 'identity.json'),
        lock: join(folder, 'identity.lock'),
        proof: join(folder, 'purged.json'),
        visited: join(folder, 'visited'),
      };
    },
  };
}

/**
 * Opens a volume whose root folder exists; an empty one is given its id and folders.
 * @throws ConfigError if the root folder is missing: a volume that is not mounted is never made up.
 */
export async function openVolume(root: string): Promise<Volume> {
  let named: VolumeFile;
  try {
    named = await readVolumeFile(root);
    await makeFolders(root);
  } catch (error) {
    if (isMissing(error))
      throw new ConfigError(`the volume ${root} is not there`, { cause: error });
    if (errnoOf(error) === 'ENOSPC')
      throw new ConfigError(`the volume ${root} is full`, { cause: error });
    throw error;
  }
  return {
    ...volumePaths(root),
    ...named,
    async space() {
      const found = await statfs(root);
      return {
        free_bytes: found.bavail * found.bsize,
        total_bytes: found.blocks * found.bsize,
      };
    },
  };
}
