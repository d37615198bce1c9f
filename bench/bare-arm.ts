/**
 * Postgres without us: the same binaries, a directory cloned from the same template, the same kind
 * of unprivileged user; spawned, seen ready in its log, first row over its socket.
 */
import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, open, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connect } from '../db/client.ts';
import { createLocks } from '../host/lock.ts';
import { SOCKET_PORT, settingsOf, spawnPostgres } from '../host/postgres.ts';
import { findUser, isRoot, resolvePostgres, type Installation } from '../host/prepare.ts';
import { waitForReady } from '../host/ready.ts';
import { createTemplates } from '../host/template.ts';
import { reserveUid } from '../host/uids.ts';
import { openVolume } from '../host/volume.ts';
import { AppError } from '../model/errors.ts';
import { OWNER_DATABASE, OWNER_ROLE, directoryIdOf } from '../model/ids.ts';

const READY_MS_MAX = 30_000;

export interface UnixIds {
  readonly uid: number;
  readonly gid: number;
}

/** A directory that no agent knows, with a folder for its socket, log and access files. */
export interface BareDirectory {
  readonly pg: Installation;
  readonly data: string;
  readonly folder: string;
  readonly user: UnixIds | undefined;
}

/**
 * Clones `count` directories beside the stack's volume, as its agents would.
 * @param folder a short path in which sockets may lie.
 */
export async function makeBareDirectories(
  volumeRoot: string,
  folder: string,
  names: readonly string[],
): Promise<readonly BareDirectory[]> {
  const state = dirname(volumeRoot);
  const pg = await resolvePostgres(state);
  const volume = await openVolume(volumeRoot);
  const builder = isRoot() ? await findUser('nobody', 'the bench') : undefined;
  const locks = createLocks({ enabled: true });
  const templates = createTemplates({ volume, locks, pg, builder });
  await templates.ensure();
  await mkdir(join(state, 'bench'), { recursive: true, mode: 0o711 });
  const made: BareDirectory[] = [];
  for (const name of names) {
    const uid = isRoot()
      ? await reserveUid(volume.uids, directoryIdOf(crypto.getRandomValues(new Uint8Array(10))))
      : undefined;
    const user = uid === undefined ? undefined : { uid, gid: uid };
    const data = join(state, 'bench', name);
    await templates.clone(data, user, 'now');
    const own = join(folder, name);
    await mkdir(own, { mode: 0o700 });
    await writeFile(join(own, 'hba'), 'local all all trust\n');
    await writeFile(join(own, 'ident'), '');
    await chmod(own, 0o755);
    if (user !== undefined) await chown(own, user.uid, user.gid);
    made.push({ pg, data, folder: own, user });
  }
  return made;
}

/** What even a Postgres with default settings has to be told, so that several can run here. */
export function placeOf(directory: BareDirectory, port: number): Readonly<Record<string, string>> {
  return {
    port: String(port),
    unix_socket_directories: directory.folder,
    hba_file: join(directory.folder, 'hba'),
    ident_file: join(directory.folder, 'ident'),
  };
}

/** Of the size `small`, as an agent would start it. */
export function ourSettings(directory: BareDirectory): Readonly<Record<string, string>> {
  const place = placeOf(directory, SOCKET_PORT);
  const access = { hba: join(directory.folder, 'hba'), ident: join(directory.folder, 'ident') };
  return { ...settingsOf('small', directory.folder, access), ...place };
}

async function firstRow(folder: string, port: number): Promise<void> {
  const url = `postgresql://${OWNER_ROLE}@/${OWNER_DATABASE}?host=${folder}&port=${port}`;
  const client = await connect(url, { onError: () => undefined });
  await client.query('select 1');
  await client.end();
}

/**
 * Spawns it, waits for the ready line, asks for the first row, and stops it again in order.
 * @returns milliseconds from the spawn to the row.
 */
export async function startBare(
  directory: BareDirectory,
  settings: Readonly<Record<string, string>>,
  port: number,
): Promise<number> {
  const logFile = join(directory.folder, 'log');
  await rm(logFile, { force: true });
  const log = await open(logFile, 'a', 0o644);
  try {
    const { pg, data, user } = directory;
    const began = performance.now();
    const server = await spawnPostgres({
      pg,
      data,
      settings,
      user,
      logFd: log.fd,
      lockFd: log.fd,
    });
    const outcome = await waitForReady({
      logFile,
      exited: server.exited,
      silentMs: READY_MS_MAX,
    });
    if (outcome !== 'ready') throw new AppError('start_failed', { detail: `see ${logFile}` });
    await firstRow(directory.folder, port);
    const ms = performance.now() - began;
    server.signal('SIGINT');
    await server.exited;
    return ms;
  } finally {
    await log.close();
  }
}

function runPgCtl(directory: BareDirectory, args: readonly string[]): Promise<void> {
  const { pg, data, user } = directory;
  return new Promise((resolve, reject) => {
    const child = spawn(join(pg.folder, 'bin/pg_ctl'), ['-D', data, '-w', ...args], {
      stdio: 'ignore',
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      ...(user === undefined ? {} : user),
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`pg_ctl ended with ${code}`)),
    );
  });
}

/** `pg_ctl -w start`, which polls. @returns milliseconds until it returns. */
export async function startByPgCtl(
  directory: BareDirectory,
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  const words = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const began = performance.now();
  await runPgCtl(directory, [
    '-l',
    join(directory.folder, 'pgctl.log'),
    '-o',
    words.join(' '),
    'start',
  ]);
  const ms = performance.now() - began;
  await runPgCtl(directory, ['-m', 'fast', 'stop']);
  return ms;
}
