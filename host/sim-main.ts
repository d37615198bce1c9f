/**
 * Simulated hosts in a process of their own, for benches: as many as asked for, each with a port,
 * on one simulated volume. They answer, sync and ship as real agents do, and run nothing.
 */
import { readManagementConfig } from '../lib/config-management.ts';
import { createJsonClient } from '../lib/http-client.ts';
import { closeServer, listen } from '../lib/listen.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { fixedTokens } from '../lib/fixed-tokens.ts';
import { watchHome } from '../lib/watch-home.ts';
import { createSimHost } from './sim.ts';
import { createSimVolume } from './sim-volume.ts';

runMain('simulated hosts', async () => {
  const config = readManagementConfig([
    'PILOTLIGHT_HOST_ID',
    'PILOTLIGHT_BIND',
    'PILOTLIGHT_PORT',
    'PILOTLIGHT_SLOTS',
    'PILOTLIGHT_TOKENS',
    'PILOTLIGHT_API_URLS',
    'PILOTLIGHT_API_TOKEN',
    'PILOTLIGHT_LOG_LEVEL',
    'PILOTLIGHT_WATCH',
    'PILOTLIGHT_SIM_HOSTS',
  ]);
  const count = config.PILOTLIGHT_SIM_HOSTS;
  const log = createLogger('host', config.PILOTLIGHT_LOG_LEVEL).child({ simulated: true });
  const shutdown = installShutdown(log);
  const client = createJsonClient(config.PILOTLIGHT_API_TOKEN);
  const tokens = fixedTokens(config.PILOTLIGHT_TOKENS);
  const volume = createSimVolume();
  // Nothing here is durable, so that the clock has to say that this start is later than the last.
  const firstBoot = Math.floor(Date.now() / 1000);
  for (let i = 0; i < count; i++) {
    const port = config.PILOTLIGHT_PORT + i;
    const host = createSimHost({
      host: `${config.PILOTLIGHT_HOST_ID}-${i + 1}`,
      url: `http://${config.PILOTLIGHT_BIND}:${port}`,
      capacity: config.PILOTLIGHT_SLOTS,
      volume,
      firstBoot,
    });
    const { server, stop } = await host.serve({
      ...{ apiUrls: config.PILOTLIGHT_API_URLS, client, tokens, log },
    });
    await listen(server, port, config.PILOTLIGHT_BIND);
    shutdown.onStop('agent', stop);
    shutdown.onStop('server', () => closeServer(server));
  }
  const { stop } = watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('no home'));
  shutdown.onStop('watch', stop);
  log.info({ hosts: count, port: config.PILOTLIGHT_PORT }, 'ready');
});
