/**
 * `npm run rebuild`: makes hot Postgres whole again from the hosts and their volumes, where it was lost or
 * restored from a backup (docs/runbooks/hot-path.md). Exit code 1: something is missing.
 */
import { migrateHot } from '../db/migrate.ts';
import { openHot } from '../db/hot/pool.ts';
import { ConfigError } from '../lib/config-error.ts';
import { readManagementConfig } from '../lib/config-management.ts';
import { createJsonClient } from '../lib/http-client.ts';
import { runMain } from '../lib/shutdown.ts';
import { readEndpoints } from './endpoints.ts';
import { rebuild, type RebuildResult } from './rebuild/run.ts';
import type { RebuildHost } from './rebuild/volumes.ts';

interface Targets {
  readonly hotUrl: string;
  readonly hosts: readonly RebuildHost[];
}

function namedTargets(hosts: Readonly<Record<string, string>>): Targets {
  const config = readManagementConfig(['PILOTLIGHT_HOT_URL', 'PILOTLIGHT_AGENT_TOKEN']);
  const client = createJsonClient(config.PILOTLIGHT_AGENT_TOKEN);
  return {
    hotUrl: config.PILOTLIGHT_HOT_URL,
    hosts: Object.entries(hosts).map(([id, url]) => ({ id, url, client })),
  };
}

/** What the settings name, else the stack of the home. */
async function findTargets(): Promise<Targets> {
  const config = readManagementConfig(['PILOTLIGHT_HOME', 'PILOTLIGHT_HOSTS']);
  if (Object.keys(config.PILOTLIGHT_HOSTS).length > 0) return namedTargets(config.PILOTLIGHT_HOSTS);
  const endpoints = await readEndpoints(config.PILOTLIGHT_HOME);
  if (endpoints === undefined)
    throw new ConfigError(
      `no stack runs on ${config.PILOTLIGHT_HOME}; for another one set PILOTLIGHT_HOSTS`,
    );
  const hosts = endpoints.hosts.map(({ token, ...host }) => ({
    ...host,
    client: createJsonClient(token),
  }));
  return { hotUrl: endpoints.hot_url, hosts };
}

const FIGURES = ['databases', 'tenants', 'running', 'deleted', 'raised', 'unreachable'] as const;

const lineOf = (result: RebuildResult): string =>
  `rebuild: ${FIGURES.map((name) => `${name}=${result[name]}`).join(' ')}`;

runMain('rebuild', async () => {
  const { hotUrl, hosts } = await findTargets();
  const hot = openHot({ url: hotUrl, size: 1, onIdleError: () => undefined });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    const result = await rebuild({ hot, hosts, say, migrate: () => migrateHot(hotUrl) });
    const { made, newer, missing } = result;
    say(`${made} rows are new, ${newer} took a newer document; missing: ${missing}`);
    say(lineOf(result));
    if (missing > 0) process.exitCode = 1;
  } finally {
    await hot.close();
    for (const { client } of hosts) client.close();
  }
});
