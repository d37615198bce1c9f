/**
 * The last one out: outlives the runner, and when the home folder is gone it ends what is left and
 * removes root's state folder. Most processes watch the home by themselves; the control servers can
 * not. Of a temporary home (bench, demo, tests) the end of its runner is the end as well.
 */
import { rm } from 'node:fs/promises';
import { readManagementConfig } from '../lib/config-management.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { watchHome } from '../lib/watch-home.ts';
import { clearVanished, homePaths } from './home.ts';
import { isAlive } from './process-table.ts';

const LOOK_MS = 500;
/** The others end by themselves first. */
const OTHERS_MS = 1_500;

runMain('keeper', async () => {
  const config = readManagementConfig([
    'PILOTLIGHT_HOME',
    'PILOTLIGHT_WATCH',
    'PILOTLIGHT_LOG_LEVEL',
  ]);
  const [pid, started] = process.argv.slice(2);
  const shutdown = installShutdown(createLogger('keeper', config.PILOTLIGHT_LOG_LEVEL));
  const paths = homePaths(config.PILOTLIGHT_HOME);

  watchHome(config.PILOTLIGHT_WATCH, () => {
    setTimeout(() => {
      void clearVanished(paths).then(() => shutdown.stop('the home is gone'));
    }, OTHERS_MS);
  });

  if (pid === undefined || started === undefined) return;
  const runner = { pid: Number(pid), started };
  const timer = setInterval(() => {
    if (isAlive(runner)) return;
    clearInterval(timer);
    void rm(paths.home, { recursive: true, force: true });
  }, LOOK_MS);
});
