/**
 * The control Postgres servers (hot, cold) of the embedded stack: plain servers on 127.0.0.1 with
 * passwords. They are made and spawned here since this folder is the only one that starts Postgres.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { chown, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import { isMissing } from '../lib/errno.ts';
import { POSTGRES_READY_MS_MAX } from '../model/limits.ts';
import { complaintOf } from './complaint.ts';
import { runInitdb } from './initdb.ts';
import type { Installation, UnixUser } from './prepare.ts';
import { waitForReady } from './ready.ts';

/** The superuser of a control server; the migrations run as it. */
export const CONTROL_SUPERUSER = 'postgres';

export interface InitControlOptions {
  readonly pg: Installation;
  /** The data directory to make; its parent must be one that `user` can enter. */
  readonly data: string;
  /** Whom initdb and the server run as, where this process is root. */
  readonly user?: UnixUser;
  readonly superuserPassword: string;
}

/**
 * Makes the data directory of a control server, unless there is one. A half-made one (no
 * PG_VERSION) is made anew. Takes about a second.
 * @throws ConfigError with initdb's own sentence when it fails.
 */
export async function initControl(options: InitControlOptions): Promise<void> {
  if (await isFile(join(options.data, 'PG_VERSION'))) return;
  await rm(options.data, { recursive: true, force: true });
  await mkdir(dirname(options.data), { recursive: true, mode: 0o711 });
  await mkdir(options.data, { mode: 0o700 });
  const passwordFile = `${options.data}.password`;
  await writeFile(passwordFile, options.superuserPassword, { mode: 0o600 });
  try {
    for (const path of options.user === undefined ? [] : [options.data, passwordFile])
      await chown(path, options.user?.uid ?? -1, options.user?.gid ?? -1);
    await runInitdb({
      pg: options.pg,
      data: options.data,
      ...(options.user === undefined ? {} : { user: options.user }),
      superuser: CONTROL_SUPERUSER,
      extra: ['--auth=scram-sha-256', `--pwfile=${passwordFile}`],
    });
  } catch (error) {
    await rm(options.data, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export interface SpawnControlOptions {
  readonly pg: Installation;
  readonly data: string;
  readonly port: number;
  readonly user?: UnixUser;
  /** Appended to; its folder exists. */
  readonly logFile: string;
  /** Settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface ControlServer {
  /** In a session of its own, so that Ctrl-C at the terminal reaches the runner alone. */
  readonly child: ChildProcess;
  /** @throws ConfigError with the server's own sentence if it ends before it is ready. */
  readonly ready: Promise<void>;
}

function controlSettings(options: SpawnControlOptions): readonly string[] {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(options.port),
    unix_socket_directories: '',
    io_method: 'sync',
    dynamic_shared_memory_type: 'mmap',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
    log_timezone: 'GMT',
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Starts a control server. A stale postmaster.pid is Postgres' own to judge: one host, one /proc. */
export async function spawnControl(options: SpawnControlOptions): Promise<ControlServer> {
  const log = await open(
    options.logFile,
    constants.O_APPEND | constants.O_CREAT | constants.O_RDWR,
  );
  try {
    const from = (await log.stat()).size;
    const child = spawn(
      join(options.pg.folder, 'bin/postgres'),
      ['-D', options.data, ...controlSettings(options)],
      {
        stdio: ['ignore', 'ignore', log.fd],
        detached: true,
        env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
        ...(options.user === undefined ? {} : { uid: options.user.uid, gid: options.user.gid }),
      },
    );
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    const ready = controlReady(options.logFile, from, exited);
    // Whoever does not wait for readiness still gets no unhandled rejection.
    ready.catch(() => undefined);
    return { child, ready };
  } finally {
    await log.close();
  }
}

async function controlReady(logFile: string, from: number, exited: Promise<void>): Promise<void> {
  const outcome = await waitForReady({ logFile, from, exited, silentMs: POSTGRES_READY_MS_MAX });
  if (outcome === 'ready' || outcome === 'recovered') return;
  const said = (await readFile(logFile)).subarray(from).toString('utf8');
  const complaint = complaintOf(said) ?? `it wrote nothing to ${logFile}`;
  throw new ConfigError(`a control Postgres did not start: ${complaint}`);
}
