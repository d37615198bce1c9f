/**
 * Debian's programs beside the proxy: pgbench and psql as clients, PgBouncer as the other way in. The
 * product never needs them; without them the bench says so and measures nothing.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../../lib/config-error.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { OWNER_DATABASE, OWNER_ROLE } from '../../model/ids.ts';
import type { Address } from '../../model/wire.ts';

/** Whom a program runs as; undefined = as ourselves. */
export type User = { readonly uid: number; readonly gid: number } | undefined;

/** Where a client of libpq connects to. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Whom a Unix socket lets in. */
  readonly as?: User;
}

export interface Program {
  readonly name: 'pgbench' | 'psql';
  readonly args: readonly string[];
}

/** @returns what it wrote, but for psql's rows. @throws ConfigError with its last lines if it fails. */
export async function run({ name, args }: Program, target: Target): Promise<string> {
  const child = spawn(name, [...args], {
    env: childEnvironment({
      PGHOST: target.host,
      PGPORT: String(target.port),
      PGUSER: target.user,
      PGPASSWORD: target.password,
      PGDATABASE: target.database,
      PGSSLMODE: 'disable',
    }),
    stdio: ['ignore', name === 'psql' ? 'ignore' : 'pipe', 'pipe'],
    ...target.as,
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close').catch((error: unknown) => {
    throw new ConfigError(`${name} can not be run`, { cause: error });
  })) as [number | null];
  if (code !== 0 || /aborted/.test(out))
    throw new ConfigError(`${name}: ${out.trim().split('\n').slice(-4).join(' | ')}`);
  return out;
}

/** @returns which of them are not installed. */
export async function findMissing(): Promise<readonly string[]> {
  const names = ['pgbench', 'psql', 'pgbouncer'];
  const found = await Promise.all(
    names.map(async (name) => {
      const child = spawn(name, ['--version'], { stdio: 'ignore' });
      return once(child, 'close').then(
        () => true,
        () => false,
      );
    }),
  );
  return names.filter((_, i) => found[i] !== true);
}

export interface Bouncer {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

const READY_MS_MAX = 10_000;

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * PgBouncer in session mode before the same Postgres, by the same socket and user as our proxy.
 * @param folder one that `user` can enter.
 */
export async function startBouncer(
  folder: string,
  { socket }: Address,
  user: User,
  clientsMax: number,
): Promise<Bouncer> {
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  const settings = [
    '[databases]',
    `${OWNER_DATABASE} = host=${socket} port=5432 dbname=${OWNER_DATABASE} user=${OWNER_ROLE}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    // Else what it keeps leaves no connections for the others' turns.
    'server_idle_timeout = 1',
    'pool_mode = session',
    `default_pool_size = ${clientsMax}`,
    `max_client_conn = ${2 * clientsMax}`,
    // What a session leaves behind is of no interest here, and ours does not reset it either.
    'server_reset_query =',
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  if (user !== undefined) await chown(file, user.uid, user.gid);
  const child = spawn('pgbouncer', ['-q', file], { stdio: 'ignore', ...user });
  const exited = once(child, 'exit');
  const deadline = performance.now() + READY_MS_MAX;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new ConfigError('pgbouncer does not start');
    await delay(50);
  }
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await exited;
      clearTimeout(late);
    },
  };
}
