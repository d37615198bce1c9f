/** The HTTP side of the naive plane: the paths of ours, each answered by the result of a workflow. */
import { ServiceError } from '@temporalio/client';
import { createJsonServer, type HttpRoute } from '../../lib/http-server.ts';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { closeServer, listen } from '../../lib/listen.ts';
import { createLogger } from '../../lib/log.ts';
import { readManagementConfig } from '../../lib/config-management.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { watchHome } from '../../lib/watch-home.ts';
import { AppError } from '../../model/errors.ts';
import { REQUEST_BYTES_MAX } from '../../model/limits.ts';
import { openClient } from '../../workers/connect.ts';
import { QUEUE } from './queue.ts';

/** As long as a caller waits. */
const CALL_MS = 5_000;

runMain('naive-front', async () => {
  const config = readManagementConfig([
    'PILOTLIGHT_BIND',
    'PILOTLIGHT_PORT',
    'PILOTLIGHT_TEMPORAL_ADDRESS',
    'PILOTLIGHT_TOKENS',
    'PILOTLIGHT_WATCH',
  ]);
  const log = createLogger('naive-front', 'warn');
  const shutdown = installShutdown(log);
  const watch = watchHome(config.PILOTLIGHT_WATCH, () => void shutdown.stop('the home is gone', 1));
  shutdown.onStop('watch', watch.stop);
  const temporal = openClient(config.PILOTLIGHT_TEMPORAL_ADDRESS);
  shutdown.onStop('temporal', () => temporal.connection.close());

  /** One run per database and verb at a time: whoever asks meanwhile gets the same answer. */
  async function execute(type: string, database: string): Promise<unknown> {
    try {
      return await temporal.withDeadline(Date.now() + CALL_MS, () =>
        temporal.workflow.execute(type, {
          workflowId: `${type}:${database}`,
          workflowIdConflictPolicy: 'USE_EXISTING',
          taskQueue: QUEUE,
          args: [database],
        }),
      );
    } catch (error) {
      if (error instanceof ServiceError) throw new AppError('unavailable', { cause: error });
      throw error;
    }
  }

  const route = (verb: string, type: string): HttpRoute => ({
    method: 'POST',
    path: `/v1/databases/:id/${verb}`,
    scope: 'operator',
    handle: ({ params: { id = '' } }) => execute(type, id),
  });
  const server = createJsonServer({
    routes: [
      route('start', 'naiveStart'),
      route('suspend', 'naiveSuspend'),
      { method: 'GET', path: '/readyz', scope: null, handle: () => Promise.resolve({}) },
    ],
    tokens: fixedTokens(config.PILOTLIGHT_TOKENS),
    bodyBytesMax: REQUEST_BYTES_MAX,
    log,
  });
  shutdown.onStop('server', () => closeServer(server));
  await listen(server, config.PILOTLIGHT_PORT, config.PILOTLIGHT_BIND);
});
