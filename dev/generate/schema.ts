/** Writes db/hot/schema.sql and db/cold/schema.sql: what the migrations make, on a real Postgres. */
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../db/client.ts';
import { migrateCold, migrateHot } from '../../db/migrate.ts';
import { dumpSchema } from '../../db/schema-dump.ts';
import { initControl, spawnControl } from '../../host/control.ts';
import { findUser, isRoot, resolvePostgres } from '../../host/prepare.ts';
import { readManagementConfig } from '../../lib/config-management.ts';
import { freePort } from '../../lib/free-port.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { runMain } from '../../lib/shutdown.ts';

const PASSWORD = 'generate';
const HEADER =
  '-- Generated from the migrations by dev/generate/schema.ts; not run by anything.\n\n';

async function dump(server: string, plane: 'hot' | 'cold'): Promise<void> {
  const client = await connect(`${server}/postgres`);
  await client.query(`create database ${plane}`);
  await client.end();
  const url = `${server}/${plane}`;
  await (plane === 'hot' ? migrateHot(url) : migrateCold(url));
  await writeFile(
    join(PACKAGE_ROOT, 'db', plane, 'schema.sql'),
    `${HEADER}${await dumpSchema(url)}\n`,
  );
}

async function withServer(folder: string, work: (server: string) => Promise<void>): Promise<void> {
  const config = readManagementConfig(['PILOTLIGHT_SERVICE_USER']);
  const user = isRoot()
    ? { user: await findUser(config.PILOTLIGHT_SERVICE_USER, 'PILOTLIGHT_SERVICE_USER') }
    : {};
  if (user.user !== undefined) await chown(folder, user.user.uid, user.user.gid);
  const pg = await resolvePostgres(folder);
  const data = join(folder, 'data');
  await initControl({ pg, data, ...user, superuserPassword: PASSWORD });
  const port = await freePort();
  const logFile = join(folder, 'log');
  const { child, ready } = await spawnControl({ pg, data, port, logFile, ...user });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    await ready;
    await work(`postgres://postgres:${PASSWORD}@127.0.0.1:${port}`);
  } finally {
    child.kill('SIGINT');
    await ended;
  }
}

runMain('generate schema', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-schema-'));
  try {
    await withServer(folder, async (server) => {
      await dump(server, 'hot');
      await dump(server, 'cold');
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
