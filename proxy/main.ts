/** The proxy process: reads its settings, listens, and gives root away. */
import { PROXY_KEYS } from '../lib/config-proxy.ts';
import { readKeys } from '../lib/config.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger } from '../lib/log.ts';
import { createRegistry } from '../lib/metrics.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { watchHome } from '../lib/watch-home.ts';
import { createHealthServer } from './health.ts';
import { dropPrivileges, unprivilegedUser } from './privileges.ts';
import { createProxy } from './server.ts';
import { checkReadable, openCertificate } from './tls.ts';

async function main(): Promise<void> {
  const config = readKeys(PROXY_KEYS, [
    'PILOTLIGHT_BIND',
    'PILOTLIGHT_PORT',
    'PILOTLIGHT_METRICS_PORT',
    'PILOTLIGHT_API_URLS',
    'PILOTLIGHT_API_TOKEN',
    'PILOTLIGHT_FLEET_SECRET',
    'PILOTLIGHT_HOLD_MS',
    'PILOTLIGHT_TLS_CERT',
    'PILOTLIGHT_TLS_KEY',
    'PILOTLIGHT_PROXY_USER',
    'PILOTLIGHT_LOG_LEVEL',
    'PILOTLIGHT_WATCH',
  ]);
  const log = createLogger('proxy', config.PILOTLIGHT_LOG_LEVEL);
  const user = unprivilegedUser(config.PILOTLIGHT_PROXY_USER);
  const registry = createRegistry('proxy');
  const files = { cert: config.PILOTLIGHT_TLS_CERT, key: config.PILOTLIGHT_TLS_KEY };
  const certificate = await openCertificate({ ...files, log });
  const proxy = createProxy({
    apiUrls: config.PILOTLIGHT_API_URLS,
    apiToken: config.PILOTLIGHT_API_TOKEN,
    fleetSecret: config.PILOTLIGHT_FLEET_SECRET,
    holdMs: config.PILOTLIGHT_HOLD_MS,
    ...(certificate === undefined ? {} : { certificate: certificate.current }),
    registry,
    log,
  });
  const health = createHealthServer({ draining: proxy.draining, registry, log });

  const shutdown = installShutdown(log);
  await listen(proxy.server, config.PILOTLIGHT_PORT, config.PILOTLIGHT_BIND);
  if (config.PILOTLIGHT_METRICS_PORT !== 0) {
    await listen(health, config.PILOTLIGHT_METRICS_PORT, config.PILOTLIGHT_BIND);
    shutdown.onStop('health', () => closeServer(health));
  }
  shutdown.onStop('clients', () => proxy.drain());
  // Before root is given away: the folder may be one that the new user can not look into.
  const watch = watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('the home is gone'));
  shutdown.onStop('watch', watch.stop);
  if (user !== undefined) dropPrivileges(user);
  checkReadable(files);
  const tls = certificate !== undefined;
  log.info({ port: config.PILOTLIGHT_PORT, user: user?.name, tls }, 'listening');
}

runMain('pilotlight proxy', main);
