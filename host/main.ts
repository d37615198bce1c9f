/**
 * The host agent: supervises the Postgres processes of one host. They outlive it: a signal ends the
 * agent alone, and the next one adopts them. POST /v1/shutdown ends them too, in order.
 */
import { HOST_KEYS } from '../lib/config-host.ts';
import { readKeys } from '../lib/config.ts';
import { createJsonClient } from '../lib/http-client.ts';
import { createJsonServer } from '../lib/http-server.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { fixedTokens } from '../lib/fixed-tokens.ts';
import { watchHome } from '../lib/watch-home.ts';
import { BODY_BYTES_MAX } from '../model/limits.ts';
import { listenForProxies } from './access-socket.ts';
import { createAgent, type Agent } from './agent.ts';

const KEYS = [
  'PILOTLIGHT_HOST_ID',
  'PILOTLIGHT_HOST_URL',
  'PILOTLIGHT_BIND',
  'PILOTLIGHT_PORT',
  'PILOTLIGHT_VOLUME',
  'PILOTLIGHT_VOLUME_RESERVE_MB',
  'PILOTLIGHT_RUN',
  'PILOTLIGHT_GATE',
  'PILOTLIGHT_PG',
  'PILOTLIGHT_SLOTS',
  'PILOTLIGHT_TOKENS',
  'PILOTLIGHT_API_URLS',
  'PILOTLIGHT_API_TOKEN',
  'PILOTLIGHT_PROXY_USER',
  'PILOTLIGHT_SERVICE_USER',
  'PILOTLIGHT_LOCK',
  'PILOTLIGHT_LOG_LEVEL',
  'PILOTLIGHT_WATCH',
] as const;

runMain('host agent', async () => {
  const config = readKeys(HOST_KEYS, KEYS);
  const log = createLogger('host', config.PILOTLIGHT_LOG_LEVEL).child({
    host: config.PILOTLIGHT_HOST_ID,
  });
  const shutdown = installShutdown(log);
  const client = createJsonClient(config.PILOTLIGHT_API_TOKEN);
  const agent: Agent = await createAgent({
    host: config.PILOTLIGHT_HOST_ID,
    url: config.PILOTLIGHT_HOST_URL,
    volume: config.PILOTLIGHT_VOLUME,
    reserveMb: config.PILOTLIGHT_VOLUME_RESERVE_MB,
    run: config.PILOTLIGHT_RUN,
    gate: config.PILOTLIGHT_GATE,
    pg: config.PILOTLIGHT_PG,
    slots: config.PILOTLIGHT_SLOTS,
    apiUrls: config.PILOTLIGHT_API_URLS,
    proxyUser: config.PILOTLIGHT_PROXY_USER,
    serviceUser: config.PILOTLIGHT_SERVICE_USER,
    locks: config.PILOTLIGHT_LOCK === 'on',
    client,
    log,
  });
  const dieWith = (what: string) => (): void => {
    log.error({ what }, 'gone: killing what runs here');
    agent.kill();
    process.exit(1);
  };
  // Without its home or volume nothing that runs here has any use, and nobody would ever end it.
  const watches = [
    watchHome(config.PILOTLIGHT_WATCH, dieWith('home')),
    watchHome(agent.volumeFile, dieWith('volume')),
  ];
  const tokens = fixedTokens(config.PILOTLIGHT_TOKENS);
  const common = { tokens, bodyBytesMax: BODY_BYTES_MAX, log };
  const server = createJsonServer({ routes: agent.routes, ...common });
  const access = createJsonServer({ routes: agent.accessRoutes, ...common });
  await listen(server, config.PILOTLIGHT_PORT, config.PILOTLIGHT_BIND);
  await listenForProxies(access, config.PILOTLIGHT_RUN, agent.proxyUid);
  shutdown.onStop('agent', agent.stop);
  shutdown.onStop('access', () => closeServer(access));
  shutdown.onStop('server', () => closeServer(server));
  shutdown.onStop('watches', () => watches.forEach((watch) => watch.stop()));
  await agent.adopt();
  log.info({ url: config.PILOTLIGHT_HOST_URL }, 'ready');
});
