/** The proxy process: reads its settings, listens, and gives root away. */
import { PROXY_KEYS } from '../lib/config-proxy.ts';
import { ConfigError } from '../lib/config-error.ts';
import { readKeys, type Config } from '../lib/config.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger, type Logger } from '../lib/log.ts';
import { createRegistry } from '../lib/metrics.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { watchHome } from '../lib/watch-home.ts';
import { openGateFiles } from './gate-files.ts';
import { createGate } from './gate.ts';
import { createHealthServer } from './health.ts';
import { addGateMetrics } from './metrics.ts';
import { endOf } from './peers.ts';
import { dropPrivileges, unprivilegedUser } from './privileges.ts';
import { createProxy } from './server.ts';
import { checkReadable, openCertificate } from './tls.ts';

const KEYS = [
  'PILOTLIGHT_BIND',
  'PILOTLIGHT_PORT',
  'PILOTLIGHT_METRICS_PORT',
  'PILOTLIGHT_API_URLS',
  'PILOTLIGHT_API_TOKEN',
  'PILOTLIGHT_FLEET_SECRET',
  'PILOTLIGHT_HOLD_MS',
  'PILOTLIGHT_TLS_CERT',
  'PILOTLIGHT_TLS_KEY',
  'PILOTLIGHT_PROXIES',
  'PILOTLIGHT_GATE',
  'PILOTLIGHT_GATE_BIND',
  'PILOTLIGHT_GATE_CERT',
  'PILOTLIGHT_GATE_KEY',
  'PILOTLIGHT_GATE_CA',
  'PILOTLIGHT_GATE_RUN',
  'PILOTLIGHT_PROXY_USER',
  'PILOTLIGHT_LOG_LEVEL',
  'PILOTLIGHT_WATCH',
] as const;

type Settings = Config<typeof PROXY_KEYS, (typeof KEYS)[number]>;

/** @throws ConfigError for a gate without what belongs to it. */
async function openGate(config: Settings, log: Logger) {
  const { PILOTLIGHT_GATE: own, PILOTLIGHT_GATE_RUN: folders } = config;
  const files = {
    cert: config.PILOTLIGHT_GATE_CERT,
    key: config.PILOTLIGHT_GATE_KEY,
    ca: config.PILOTLIGHT_GATE_CA,
  };
  const watched = await openGateFiles(files, log);
  if (own !== '' && (watched === undefined || folders.length === 0))
    throw new ConfigError('PILOTLIGHT_GATE needs PILOTLIGHT_GATE_CERT, _KEY, _CA and _RUN');
  if (watched === undefined) return undefined;
  const secrets = watched.current;
  return {
    files,
    peers: { own, context: () => secrets().context },
    gate: own === '' ? undefined : createGate({ folders, secrets, log }),
  };
}

async function main(): Promise<void> {
  const config = readKeys(PROXY_KEYS, KEYS);
  const log = createLogger('proxy', config.PILOTLIGHT_LOG_LEVEL);
  const user = unprivilegedUser(config.PILOTLIGHT_PROXY_USER);
  const registry = createRegistry('proxy');
  const files = { cert: config.PILOTLIGHT_TLS_CERT, key: config.PILOTLIGHT_TLS_KEY };
  const certificate = await openCertificate({ ...files, log });
  const others = await openGate(config, log);
  const proxy = createProxy({
    apiUrls: config.PILOTLIGHT_API_URLS,
    apiToken: config.PILOTLIGHT_API_TOKEN,
    fleetSecret: config.PILOTLIGHT_FLEET_SECRET,
    holdMs: config.PILOTLIGHT_HOLD_MS,
    otherProxies: config.PILOTLIGHT_PROXIES,
    ...(certificate === undefined ? {} : { certificate: certificate.current }),
    ...(others === undefined ? {} : { peers: others.peers }),
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
  const { gate } = others ?? {};
  if (gate !== undefined) {
    addGateMetrics(registry, gate.open);
    await listen(gate.server, endOf(config.PILOTLIGHT_GATE).port, config.PILOTLIGHT_GATE_BIND);
  }
  shutdown.onStop('clients', async () => {
    await Promise.all([proxy.drain(), gate?.drain()]);
  });
  // Before root is given away: the folder may be one that the new user can not look into.
  const watch = watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('the home is gone'));
  shutdown.onStop('watch', watch.stop);
  if (user !== undefined) dropPrivileges(user);
  checkReadable([...Object.values(files), ...Object.values(others?.files ?? {})]);
  const tls = certificate !== undefined;
  log.info({ port: config.PILOTLIGHT_PORT, user: user?.name, tls }, 'listening');
}

runMain('pilotlight proxy', main);
