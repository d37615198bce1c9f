/**
 * The home folder of a stack and, for root, the state folder that belongs to it. Root's clone may
 * lie where no other user enters, so binaries, volume and control data lie in
 * `/var/lib/pilotlight/<hash of the home's path>` and the home has a link to them; an ordinary
 * user's lie in the home itself. A home and its state end together.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rm, stat, statfs, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { systemVariable } from '../lib/environment.ts';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { replaceFile } from '../lib/files.ts';
import { isRoot, ownUser } from '../host/prepare.ts';
import { clearProcessesOf } from './leftovers.ts';
import { tryLock, type HeldLock } from './lock.ts';
import { HOSTS_MAX } from './ports.ts';
import { endAll, identify, type ProcessId } from './process-table.ts';

const ROOT_STATE = '/var/lib/pilotlight';
const ROOT_RUN = '/run/pilotlight';
/** A start writes three clusters with their first WAL segments, about 40 MB each. */
const FREE_BYTES_MIN = 200 * 1024 * 1024;

export interface HomePaths {
  readonly home: string;
  /** Binaries, volume and control data. */
  readonly state: string;
  /** What the names of the hosts' run folders begin with. */
  readonly run: string;
  /** The file whose end is the home's end (PILOTLIGHT_WATCH). */
  readonly watch: string;
}

export interface Home extends HomePaths {
  readonly id: string;
  readonly file: (name: string) => string;
  readonly release: () => Promise<void>;
}

/** What the state folder says of its home: only root's state can outlive it. */
interface Owner {
  readonly home: string;
  readonly id: string;
  readonly runner?: ProcessId;
}

export function homePaths(path: string): HomePaths {
  const home = resolve(path);
  const hash = createHash('sha256').update(home).digest('hex');
  const runtime = systemVariable('XDG_RUNTIME_DIR') ?? systemVariable('TMPDIR') ?? '/tmp';
  return {
    home,
    state: isRoot() ? join(ROOT_STATE, hash.slice(0, 16)) : join(home, 'state'),
    run: isRoot()
      ? join(ROOT_RUN, hash.slice(0, 8))
      : join(runtime, `pilotlight-${ownUser().uid}-${hash.slice(0, 8)}`),
    watch: join(home, 'id'),
  };
}

async function readOwner(state: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(join(state, 'owner.json'), 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

export const volumeOf = (paths: HomePaths): string => join(paths.state, 'volume');

/** The run folder of host-1, host-2, …: short, since the path of a socket has little room. */
export const runFolderOf = (paths: HomePaths, host: number): string => `${paths.run}-${host}`;

async function removeState(paths: HomePaths): Promise<void> {
  await clearProcessesOf(paths, 'all');
  await rm(paths.state, { recursive: true, force: true });
  for (let host = 1; host <= HOSTS_MAX; host++)
    await rm(runFolderOf(paths, host), { recursive: true, force: true });
}

/**
 * Ends what still runs of a home that is gone, and removes its state and run folders.
 * A newer home of the same path is left alone.
 */
export async function clearVanished(paths: HomePaths): Promise<void> {
  if ((await readId(paths.watch)) === undefined) await removeState(paths);
}

async function readId(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function makeHome(home: string): Promise<void> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await chmod(home, 0o700);
  } catch (error) {
    throw new ConfigError(`the home folder ${home} can not be made (${errnoOf(error)})`, {
      cause: error,
    });
  }
}

async function lockHome(home: string): Promise<HeldLock> {
  const lock = await tryLock(join(home, 'lock'));
  if ('release' in lock) return lock;
  throw new ConfigError(
    `a stack runs on ${home} already (process ${lock.holder}); stop it with: kill ${lock.holder}`,
  );
}

/** The home's identity: made once, and gone with the home. */
async function readOrMakeId(path: string): Promise<string> {
  const known = await readId(path);
  if (known !== undefined) return known;
  const id = randomBytes(8).toString('hex');
  await replaceFile(path, `${id}\n`, 0o600);
  return id;
}

/** The home of this state has gone, and its runner may not have noticed yet. */
async function clearFormer(paths: HomePaths, owner: Owner): Promise<void> {
  if (owner.runner !== undefined) await endAll([owner.runner], 'SIGKILL', 1_000);
  await removeState(paths);
}

async function makeState(paths: HomePaths, id: string): Promise<void> {
  const owner = await readOwner(paths.state);
  if (owner !== undefined && owner.id !== id) await clearFormer(paths, owner);
  await mkdir(paths.state, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
  await mkdir(volumeOf(paths), { recursive: true, mode: 0o711 });
  if (!isRoot()) return;
  await chmod(dirname(paths.state), 0o711);
  await chmod(paths.state, 0o711);
  const runner = identify(process.pid);
  await writeFile(
    join(paths.state, 'owner.json'),
    JSON.stringify({ home: paths.home, id, runner }),
    { mode: 0o600 },
  );
  try {
    await symlink(paths.state, join(paths.home, 'state'));
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

async function checkRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= FREE_BYTES_MIN) return;
  const free = Math.floor((bavail * bsize) / 1024 / 1024);
  throw new ConfigError(
    `only ${free} MB are free where ${folder} lies, and a start needs ${FREE_BYTES_MIN / 1024 / 1024} MB`,
  );
}

/**
 * Makes or finds a home and locks it for this process.
 * @throws ConfigError with one sentence if another runner has it, or if there is no room.
 */
export async function openHome(path: string): Promise<Home> {
  const paths = homePaths(path);
  await makeHome(paths.home);
  const { uid } = await stat(paths.home);
  if (uid !== process.getuid?.())
    throw new ConfigError(`the home folder ${paths.home} belongs to another user`);
  const lock = await lockHome(paths.home);
  try {
    const id = await readOrMakeId(paths.watch);
    await makeState(paths, id);
    await checkRoom(paths.home);
    await checkRoom(paths.state);
    const file = (name: string): string => join(paths.home, name);
    await mkdir(file('logs'), { recursive: true, mode: 0o700 });
    return { ...paths, id, file, release: lock.release };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Removes a home whose stack has been stopped, with its state. */
export async function removeHome(home: Home): Promise<void> {
  await rm(home.home, { recursive: true, force: true });
  await clearVanished(home);
}
