/**
 * `node dist/dev/migrate.js hot|cold`: brings a control server that is not the runner's own to the
 * schema of this version, and gives the services' roles their passwords. Idempotent; every release is
 * started by it.
 */
import { migrateCold, migrateHot, setRolePassword } from '../db/migrate.ts';
import { readManagementConfig } from '../lib/config-management.ts';
import { ConfigError } from '../lib/config-error.ts';
import { runMain } from '../lib/shutdown.ts';

const SERVERS = {
  hot: { key: 'PILOTLIGHT_HOT_URL', migrate: migrateHot },
  cold: { key: 'PILOTLIGHT_COLD_URL', migrate: migrateCold },
} as const;

const isServer = (name: string): name is keyof typeof SERVERS => Object.hasOwn(SERVERS, name);

runMain('migrate', async () => {
  const name = process.argv[2] ?? '';
  if (!isServer(name)) throw new ConfigError('usage: migrate.js hot|cold');
  const { key, migrate } = SERVERS[name];
  const { [key]: url, PILOTLIGHT_ROLE_PASSWORDS: passwords } = readManagementConfig([
    key,
    'PILOTLIGHT_ROLE_PASSWORDS',
  ]);
  await migrate(url);
  for (const [role, password] of Object.entries(passwords))
    await setRolePassword(url, role, password);
});
