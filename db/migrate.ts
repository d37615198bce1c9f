/** Brings the control databases to the schema of this version; concurrent callers wait in line. */
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { PACKAGE_ROOT } from '../lib/root.ts';

async function migrate(url: string, folder: string): Promise<void> {
  await runner({
    databaseUrl: url,
    dir: join(PACKAGE_ROOT, 'db', folder, 'migrations'),
    migrationsTable: 'migration',
    direction: 'up',
    log: () => undefined,
  });
}

/** @throws what the failing statement said; the failed file leaves nothing behind. */
export const migrateHot = (url: string): Promise<void> => migrate(url, 'hot');
export const migrateCold = (url: string): Promise<void> => migrate(url, 'cold');

/** Gives a service's role its password. The statement takes no parameters, so the text is quoted. */
export async function setRolePassword(url: string, role: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const name = client.escapeIdentifier(role);
    await client.query(`alter role ${name} password ${client.escapeLiteral(password)}`);
  } finally {
    await client.end();
  }
}
