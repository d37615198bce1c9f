/**
 * How a tenant's Postgres is run: its settings by size, who may log in, its process.
 * What makes data durable (fsync, full_page_writes, checksums, synchronous_commit) stays as it is.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { replaceFile } from '../lib/files.ts';
import { OWNER_ROLE } from '../model/ids.ts';
import { SUPERUSER } from '../model/tenant-role.ts';
import { SIZES, type SizeName } from '../model/sizes.ts';
import type { Installation, UnixUser } from './prepare.ts';
import type { Supervised } from './processes.ts';

export const SOCKET_PORT = 5432;
/** Where a closed door's socket stands: only the agent knows to call there. */
export const CLOSED_PORT = 5433;
/** Kept for the agent; `max_connections` of Postgres includes them. */
const AGENT_CONNECTIONS = 3;

export const socketFile = (folder: string, port: number): string =>
  join(folder, `.s.PGSQL.${port}`);

export interface AccessFiles {
  readonly hba: string;
  readonly ident: string;
}

/**
 * Settings on the command line, where neither a damaged nor a tenant's file can override them.
 * Several are there for the start's speed (each measured on a spawn to the first row): fewer
 * descriptors to probe by dup(), no I/O workers or replication launcher to fork, no huge pages to
 * ask for, no slots for workers that never are.
 */
export function settingsOf(
  size: SizeName,
  socketFolder: string,
  access: AccessFiles,
): Readonly<Record<string, string>> {
  const { sharedBuffersMib, workMemMib, connections } = SIZES[size];
  return {
    listen_addresses: '',
    port: String(SOCKET_PORT),
    unix_socket_directories: socketFolder,
    hba_file: access.hba,
    ident_file: access.ident,
    shared_buffers: `${sharedBuffersMib}MB`,
    work_mem: `${workMemMib}MB`,
    max_connections: String(connections + AGENT_CONNECTIONS),
    superuser_reserved_connections: String(AGENT_CONNECTIONS),
    // Every crash is a new epoch: Postgres must not start itself again inside the old one.
    restart_after_crash: 'off',
    // In the data directory, so that a SIGKILL leaves nothing in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    huge_pages: 'off',
    io_method: 'sync',
    max_files_per_process: '128',
    max_worker_processes: '4',
    // As many as may work at once; each is a slot in every table that is made at a start.
    autovacuum_worker_slots: '3',
    max_logical_replication_workers: '0',
    max_wal_senders: '4',
    // No statement text and no tenant's errors in our files.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
    log_timezone: 'GMT',
  };
}

function argumentsOf(data: string, settings: Readonly<Record<string, string>>): string[] {
  return [
    '-D',
    data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/**
 * Writes pg_hba.conf and pg_ident.conf of this host: the superuser is the agent's, by its unix
 * user; every other role is the proxy's, and the owner's the agent's as well, which runs migrations
 * as it. Nobody else on the machine gets in.
 */
export async function writeAccessFiles(
  folder: string,
  agent: UnixUser,
  proxy: UnixUser,
): Promise<AccessFiles> {
  const hba = join(folder, 'pg_hba.conf');
  const ident = join(folder, 'pg_ident.conf');
  await replaceFile(
    hba,
    `local all ${SUPERUSER} peer map=agent\nlocal all all peer map=proxy\n`,
    0o644,
  );
  await replaceFile(
    ident,
    [
      `agent ${quoted(agent.name)} ${SUPERUSER}`,
      `proxy ${quoted(proxy.name)} /^(?!${SUPERUSER}$).*$`,
      `proxy ${quoted(agent.name)} ${OWNER_ROLE}`,
      '',
    ].join('\n'),
    0o644,
  );
  return { hba, ident };
}

export interface SpawnOptions {
  readonly pg: Installation;
  readonly data: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Of the directory; undefined where the agent is not root. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** Descriptors that it inherits: its standard error, and the directory's lock. */
  readonly logFd: number;
  readonly lockFd: number;
}

/**
 * Spawns `postgres` in a session of its own: it outlives the agent.
 * @throws if the program can not be executed.
 */
export async function spawnPostgres(options: SpawnOptions): Promise<Supervised> {
  const child = spawn(
    join(options.pg.folder, 'bin/postgres'),
    argumentsOf(options.data, options.settings),
    {
      stdio: ['ignore', 'ignore', options.logFd, options.lockFd],
      detached: true,
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      ...(options.user === undefined ? {} : options.user),
    },
  );
  child.unref();
  let alive = true;
  const exited = new Promise<boolean>((resolve) => {
    child.once('exit', (code) => {
      alive = false;
      resolve(code === 0);
    });
  });
  const { pid } = child;
  if (pid === undefined)
    await new Promise<never>((_, reject) => {
      child.once('error', reject);
    });
  child.on('error', () => undefined);
  return {
    pid: pid ?? -1,
    exited,
    isAlive: () => alive,
    signal: (name) => {
      if (alive) child.kill(name);
    },
  };
}
