/**
 * `npm run compose`: makes the secrets of a stack in containers, once, as the files that
 * docker-compose.yml names: one for each kind of service, so that none holds what it does not need.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { replaceFile } from '../lib/files.ts';
import { runMain } from '../lib/shutdown.ts';
import { CONTROL_SUPERUSER } from '../host/control.ts';
import { provideSealingKey } from './sealing-key.ts';
import { loadSecrets, tokenHashes, writeCallers, type Secrets } from './secrets.ts';

type Variables = Readonly<Record<string, string>>;

const pg = (user: string, password: string, server: 'hot' | 'cold'): string =>
  `postgresql://${user}:${password}@${server}:5432/postgres`;

/** File → what is in it. Everything else a service is told stands in docker-compose.yml. */
function filesOf(secrets: Secrets, publicKey: string): Readonly<Record<string, Variables>> {
  const fleet = { PILOTLIGHT_FLEET_SECRET: secrets.fleet };
  return {
    hot: { POSTGRES_PASSWORD: secrets.hot_superuser_password },
    cold: { POSTGRES_PASSWORD: secrets.cold_superuser_password },
    'temporal-db': { POSTGRES_PASSWORD: secrets.temporal_password },
    temporal: { POSTGRES_PWD: secrets.temporal_password },
    'hot-migrate': {
      PILOTLIGHT_HOT_URL: pg(CONTROL_SUPERUSER, secrets.hot_superuser_password, 'hot'),
      PILOTLIGHT_ROLE_PASSWORDS: `pilotlight_api=${secrets.hot_api_password},pilotlight_cold=${secrets.hot_cold_password}`,
    },
    'cold-migrate': {
      PILOTLIGHT_COLD_URL: pg(CONTROL_SUPERUSER, secrets.cold_superuser_password, 'cold'),
      PILOTLIGHT_ROLE_PASSWORDS: `pilotlight_worker=${secrets.cold_worker_password},pilotlight_console=${secrets.cold_console_password}`,
    },
    api: {
      ...fleet,
      PILOTLIGHT_HOT_URL: pg('pilotlight_api', secrets.hot_api_password, 'hot'),
      PILOTLIGHT_AGENT_TOKEN: secrets.agent_token_api,
    },
    host: {
      PILOTLIGHT_TOKENS: tokenHashes(secrets, 'agent'),
      PILOTLIGHT_API_TOKEN: secrets.api_token_host,
    },
    proxy: { ...fleet, PILOTLIGHT_API_TOKEN: secrets.api_token_proxy },
    worker: {
      PILOTLIGHT_API_TOKEN: secrets.api_token_cold,
      PILOTLIGHT_AGENT_TOKEN: secrets.agent_token_operator,
      PILOTLIGHT_HOT_URL: pg('pilotlight_cold', secrets.hot_cold_password, 'hot'),
      PILOTLIGHT_COLD_URL: pg('pilotlight_worker', secrets.cold_worker_password, 'cold'),
      PILOTLIGHT_SEALING_PUBLIC_KEY: publicKey,
    },
    console: {
      PILOTLIGHT_COLD_URL: pg('pilotlight_console', secrets.cold_console_password, 'cold'),
      PILOTLIGHT_TOKENS: tokenHashes(secrets, 'console'),
    },
  };
}

runMain('compose', async () => {
  const folder = resolve(process.argv[2] ?? '.compose');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const secrets = await loadSecrets(join(folder, 'secrets.json'));
  const publicKey = await provideSealingKey(join(folder, 'sealing-key.pem'));
  for (const [name, variables] of Object.entries(filesOf(secrets, publicKey))) {
    const lines = Object.entries(variables).map(([key, value]) => `${key}=${value}\n`);
    await replaceFile(join(folder, `${name}.env`), lines.join(''), 0o600);
  }
  // A folder of its own: a mounted file would stay the old one when it is replaced.
  await writeCallers(join(folder, 'callers/callers.json'), secrets);
  await replaceFile(
    join(folder, 'operator.header'),
    `authorization: Bearer ${secrets.api_token_operator}\n`,
    0o600,
  );
  process.stdout.write(
    `the stack's secrets are in ${folder}; next: docker compose up --build -d\n`,
  );
});
