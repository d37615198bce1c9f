/**
 * The Postgres of the `db` project: one server for the whole jest run, in a temporary folder, with a
 * template database per plane that has the migrations applied once. A guard holds a pipe from jest:
 * however jest ends, the pipe closes, and the guard ends the server and removes the folder.
 */
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateCold, migrateHot, setRolePassword } from '../../db/migrate.ts';
import { startGuard, type Guard } from '../../dev/guard.ts';
import { CONTROL_SUPERUSER, initControl, spawnControl } from '../../host/control.ts';
import { findUser, isRoot, resolvePostgres } from '../../host/prepare.ts';
import { freePort } from '../../lib/free-port.ts';
import { ROLE_PASSWORD, createTemplate, serverUrlTo } from './database.ts';

/** Durability is off: these tests are about SQL, and the folder is thrown away. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
};

async function startServer(folder: string, guard: Guard): Promise<string> {
  await chmod(folder, 0o711);
  const password = 'only-for-tests';
  const data = join(folder, 'data');
  const who = isRoot() ? { user: await findUser('nobody', 'test/support') } : {};
  const pg = await resolvePostgres(folder);
  await initControl({ pg, data, superuserPassword: password, ...who });
  const port = await freePort();
  const logFile = join(folder, 'log');
  const server = await spawnControl({ pg, data, port, logFile, settings: SETTINGS, ...who });
  guard.watch(server.child.pid);
  server.child.unref();
  await server.ready;
  return `postgresql://${CONTROL_SUPERUSER}:${password}@127.0.0.1:${port}`;
}

const ROLES = ['pilotlight_api', 'pilotlight_cold', 'pilotlight_worker', 'pilotlight_console'];

/** The global is jest's way from a set-up to its teardown; both run in jest's own process. */
export default async function setup(): Promise<void> {
  // Two projects have it as their set-up, and are run together: one server is enough.
  if ('stopTestServer' in globalThis) return;
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-test-'));
  const guard = startGuard(folder);
  try {
    const server = await startServer(folder, guard);
    serverUrlTo(server);
    await createTemplate('hot', migrateHot);
    await createTemplate('cold', migrateCold);
    for (const role of ROLES) await setRolePassword(`${server}/postgres`, role, ROLE_PASSWORD);
  } catch (error) {
    await guard.end();
    throw error;
  }
  Object.assign(globalThis, { stopTestServer: guard.end });
}
