/** The api process: one of several, stateless but for what it remembers of the fleet. */
import { createServer as createHttpServer } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { API_KEYS } from '../lib/config-api.ts';
import { readKeys } from '../lib/config.ts';
import { createJsonClient } from '../lib/http-client.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { openHot } from '../db/hot/pool.ts';
import { createAdopter } from './adopt.ts';
import { createAgents } from './agents.ts';
import { openTokenFile } from './callers.ts';
import { createFleet } from '../model/fleet.ts';
import { createGeneration } from './generation.ts';
import { createMetrics } from './metrics.ts';
import { addPoolMetrics } from './pool-metrics.ts';
import { createRoom } from './room.ts';
import type { Context, Parts } from './context.ts';
import { createServer } from './server.ts';
import { createStarter } from './start.ts';
import { startSweep } from './sweep.ts';
import { createTenants } from './tenants.ts';

/** Connections of each of the two pools: two cores answer no faster with more. */
const POOL_SIZE = 8;
/** A caller hears `waking` with an estimate after this long: sooner than the proxy ends its hold. */
const PATIENCE_MS = 8_000;

/**
 * Reports are garbage a second later. V8 would let three times as much of that lie as there is memory in
 * use, and keep more and more for what is new: with 100,000 databases 204 MB, and 139 so (bench footprint).
 */
for (const flag of ['--heap-growing-percent=30', '--semi-space-growth-factor=1'])
  setFlagsFromString(flag);

runMain('api', async () => {
  const config = readKeys(API_KEYS);
  const log = createLogger('api', config.PILOTLIGHT_LOG_LEVEL);
  const shutdown = installShutdown(log);
  const now = (): number => performance.now();

  const hot = openHot({
    url: config.PILOTLIGHT_HOT_URL,
    size: POOL_SIZE,
    onIdleError: (error) => log.warn({ err: error }, 'a connection to hot Postgres broke'),
    onTook: (statement, ms) => context.metrics.index.observe({ statement }, ms / 1000),
  });
  shutdown.onStop('hot Postgres', hot.close);
  const client = createJsonClient(config.PILOTLIGHT_AGENT_TOKEN);
  shutdown.onStop('agents', client.close);
  const fleet = createFleet(Math.random);
  const agents = createAgents(client, fleet);
  const room = createRoom(now);
  const tenants = createTenants(hot, now);
  const parts: Parts = { hot, fleet, agents, room, tenants, log, now };
  const starter = createStarter({ ...parts, patienceMs: PATIENCE_MS });
  const generation = createGeneration(hot, now);
  const context: Context = {
    ...parts,
    starter,
    metrics: createMetrics({ fleet, starter }),
    generation,
    adopter: createAdopter(parts, generation),
    fleetSecret: config.PILOTLIGHT_FLEET_SECRET,
    proxyAddress: config.PILOTLIGHT_PROXY_ADDRESS,
  };

  addPoolMetrics(context.metrics.registry, parts);
  const tokens = await openTokenFile(config.PILOTLIGHT_TOKENS_FILE, log);
  shutdown.onStop('callers', tokens.stop);
  const app = createServer(context, tokens);
  const server = createHttpServer({ noDelay: true, keepAliveTimeout: 60_000 }, app);
  await listen(server, config.PILOTLIGHT_PORT, config.PILOTLIGHT_BIND);
  shutdown.onStop('HTTP', () => closeServer(server));
  shutdown.onStop('sweep', startSweep(context));
  log.info({ port: config.PILOTLIGHT_PORT }, 'listening');
});
