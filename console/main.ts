/**
 * The console: management by HTTP. It needs cold Postgres only, as role `pilotlight_console`, which
 * may read invoices, and read and empty sealed passwords.
 */
import { openCold } from '../db/cold/pool.ts';
import { readManagementConfig } from '../lib/config-management.ts';
import { createJsonServer } from '../lib/http-server.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger } from '../lib/log.ts';
import { metricsRoute } from '../lib/metrics-route.ts';
import { createRegistry } from '../lib/metrics.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { fixedTokens } from '../lib/fixed-tokens.ts';
import { watchHome } from '../lib/watch-home.ts';
import { REQUEST_BYTES_MAX } from '../model/limits.ts';
import { consoleRoutes } from './routes.ts';
import { readSealingKey } from './sealing-key.ts';

const KEYS = [
  'PILOTLIGHT_BIND',
  'PILOTLIGHT_PORT',
  'PILOTLIGHT_COLD_URL',
  'PILOTLIGHT_TOKENS',
  'PILOTLIGHT_SEALING_KEY_FILE',
  'PILOTLIGHT_LOG_LEVEL',
  'PILOTLIGHT_WATCH',
] as const;

/** Of each of the two pools; the role may have 8 in all. */
const CONNECTIONS = 2;

runMain('console', async () => {
  const config = readManagementConfig(KEYS);
  const log = createLogger('console', config.PILOTLIGHT_LOG_LEVEL);
  const sealingKey = await readSealingKey(config.PILOTLIGHT_SEALING_KEY_FILE);
  const shutdown = installShutdown(log);
  const cold = openCold({
    url: config.PILOTLIGHT_COLD_URL,
    size: CONNECTIONS,
    name: 'console',
    onIdleError: (error) => log.warn({ err: error }, 'a connection to cold Postgres broke'),
  });
  shutdown.onStop('cold Postgres', cold.close);
  const server = createJsonServer({
    routes: consoleRoutes({ cold, sealingKey, metrics: metricsRoute(createRegistry('console')) }),
    tokens: fixedTokens(config.PILOTLIGHT_TOKENS),
    bodyBytesMax: REQUEST_BYTES_MAX,
    log,
  });
  await listen(server, config.PILOTLIGHT_PORT, config.PILOTLIGHT_BIND);
  shutdown.onStop('HTTP', () => closeServer(server));
  shutdown.onStop(
    'watch',
    watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('no home')).stop,
  );
  log.info({ port: config.PILOTLIGHT_PORT }, 'listening');
});
