/**
 * A hot Postgres of the bench's own, with the settings and the durability of the embedded stack:
 * what runs on it are the product's statements, by the product's role.
 */
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Client } from '../db/client.ts';
import { migrateHot, setRolePassword } from '../db/migrate.ts';
import { HOT_SETTINGS } from '../dev/control.ts';
import { startGuard } from '../dev/guard.ts';
import { CONTROL_SUPERUSER, initControl, spawnControl } from '../host/control.ts';
import { findUser, isRoot, resolvePostgres } from '../host/prepare.ts';
import { freePort } from '../lib/free-port.ts';
import { readManagementConfig } from '../lib/config-management.ts';

const PASSWORD = 'only-for-benches';
const API_ROLE = 'pilotlight_api';

export interface HotDatabase {
  /** For the superuser: to fill it, and to look. */
  readonly adminUrl: string;
  /** For the product's statements. */
  readonly apiUrl: string;
}

export interface HotServer {
  readonly port: number;
  /** Goes with the server; whoever watches its file `watch` ends then, too. */
  readonly folder: string;
  /** Makes a database with the hot schema. */
  readonly create: (name: string) => Promise<HotDatabase>;
}

export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(url, { onError: () => undefined });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function start(folder: string, watch: (pid: number | undefined) => void): Promise<HotServer> {
  await chmod(folder, 0o711);
  const { PILOTLIGHT_SERVICE_USER: name } = readManagementConfig(['PILOTLIGHT_SERVICE_USER']);
  const who = isRoot() ? { user: await findUser(name, 'PILOTLIGHT_SERVICE_USER') } : {};
  const pg = await resolvePostgres(folder);
  const data = join(folder, 'data');
  await initControl({ pg, data, superuserPassword: PASSWORD, ...who });
  const port = await freePort();
  const logFile = join(folder, 'log');
  const server = await spawnControl({ pg, data, port, logFile, settings: HOT_SETTINGS, ...who });
  watch(server.child.pid);
  server.child.unref();
  await server.ready;
  const urlOf = (database: string, role = CONTROL_SUPERUSER): string =>
    `postgresql://${role}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  await writeFile(join(folder, 'watch'), '');
  return {
    port,
    folder,
    async create(database) {
      const adminUrl = urlOf(database);
      await withClient(urlOf('postgres'), (client) => client.query(`create database ${database}`));
      await migrateHot(adminUrl);
      await setRolePassword(adminUrl, API_ROLE, PASSWORD);
      return { adminUrl, apiUrl: urlOf(database, API_ROLE) };
    },
  };
}

/** Starts a server, lends it to `work` and removes it, however this process ends. */
export async function withHotServer<T>(work: (server: HotServer) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-hot-'));
  const guard = startGuard(folder);
  try {
    return await work(await start(folder, guard.watch));
  } finally {
    await guard.end();
  }
}
