/**
 * A real tenant's Postgres for tests of the proxy: made with the host's own functions, listening on a
 * Unix socket in a folder per epoch, peer authentication by an ident map, as an agent sets it up.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInitdb, runProgram } from '../../host/initdb.ts';
import {
  findUser,
  isRoot,
  ownUser,
  resolvePostgres,
  type Installation,
  type UnixUser,
} from '../../host/prepare.ts';
import type { Address } from '../../model/wire.ts';

/** Whoever may run the proxy in a test: this process, and the proxy's user when root starts it. */
const IDENT = (users: readonly string[]): string =>
  users.map((user) => `proxy ${user} /^(?!pilot$).*$`).join('\n');

const ROLES = `
create role owner login createdb createrole;
create role tight login connection limit 1;
create database main owner owner;
`;

type Settings = Readonly<Record<string, string>>;

export interface Tenant {
  /** Starts Postgres as this epoch and waits until it is ready. */
  readonly start: (epoch: number) => Promise<Address>;
  readonly addressOf: (epoch: number) => Address;
  /** Stops what runs; its socket is gone then. */
  readonly stop: (signal?: 'SIGINT' | 'SIGQUIT') => Promise<void>;
  readonly remove: () => Promise<void>;
}

function waitForReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      if (said.includes('ready to accept connections')) resolve();
    });
    child.once('exit', () => reject(new Error(`postgres ended: ${said}`)));
  });
}

interface Place {
  readonly folder: string;
  readonly pg: Installation;
  readonly user: UnixUser;
}

/** Ends Postgres and removes its folder when jest is gone, however it went: the pipe closes then. */
function startGuard(pid: number, folder: string): ChildProcess {
  const script = 'cat >/dev/null; kill -QUIT "$1" 2>/dev/null; sleep 1; rm -rf "$2"';
  return spawn('/bin/sh', ['-c', script, 'sh', String(pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}

/** initdb, roles, and who may enter as whom. */
async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'pl-proxy-'));
  await chmod(folder, 0o711);
  const user = isRoot() ? await findUser('nobody', 'test') : ownUser();
  const as = isRoot() ? { user } : {};
  const pg = await resolvePostgres(folder);
  const data = join(folder, 'data');
  await mkdir(data, { mode: 0o700 });
  await chown(data, user.uid, user.gid);
  await runInitdb({ pg, data, superuser: 'pilot', extra: ['--no-sync'], ...as });
  const args = ['--single', '-j', '-D', data, '-c', 'fsync=off', 'postgres'];
  const input = ROLES.replaceAll('\n', '\n\n');
  await runProgram({ pg, program: 'postgres', args, input, ...as });
  await writeFile(join(folder, 'hba'), 'local all pilot reject\nlocal all all peer map=proxy\n');
  await writeFile(join(folder, 'ident'), IDENT([...new Set([ownUser().name, 'daemon'])]));
  return { folder, pg, user };
}

function spawnPostgres(place: Place, socket: string, settings: Settings): ChildProcess {
  const { folder, pg, user } = place;
  const all = {
    unix_socket_directories: socket,
    listen_addresses: '',
    hba_file: join(folder, 'hba'),
    ident_file: join(folder, 'ident'),
    fsync: 'off',
    max_connections: '100',
    shared_buffers: '16MB',
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return spawn(join(pg.folder, 'bin/postgres'), ['-D', join(folder, 'data'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: '/',
    ...(isRoot() ? { uid: user.uid, gid: user.gid } : {}),
  });
}

/** @param settings of Postgres, besides those of the test. */
export async function createTenant(settings: Settings = {}): Promise<Tenant> {
  const place = await makePlace();
  const { folder, user } = place;
  let running: ChildProcess | undefined;

  const addressOf = (epoch: number): Address => ({
    socket: join(folder, `run.${epoch}`),
    port: 5432,
  });

  async function start(epoch: number): Promise<Address> {
    const address = addressOf(epoch);
    await mkdir(address.socket, { mode: 0o711 });
    await chown(address.socket, user.uid, user.gid);
    const child = spawnPostgres(place, address.socket, settings);
    running = child;
    const guard = startGuard(child.pid ?? 0, folder);
    child.once('exit', () => {
      guard.kill('SIGKILL');
      if (running === child) running = undefined;
    });
    await waitForReady(child);
    return address;
  }

  async function stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const child = running;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async function remove(): Promise<void> {
    await stop('SIGQUIT');
    await rm(folder, { recursive: true, force: true });
  }

  return { start, addressOf, stop, remove };
}
