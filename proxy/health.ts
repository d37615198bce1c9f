/** The proxy's HTTP side: whether it lives, whether it takes clients, and its metrics. */
import type { Server } from 'node:http';
import type { Registry } from 'prom-client';
import { createJsonServer } from '../lib/http-server.ts';
import type { Logger } from '../lib/log.ts';
import { metricsRoute } from '../lib/metrics-route.ts';
import { fixedTokens } from '../lib/fixed-tokens.ts';
import { AppError } from '../model/errors.ts';

export interface HealthOptions {
  readonly draining: () => boolean;
  readonly registry: Registry;
  readonly log: Logger;
}

/** Ready does not ask for an api: running databases are reachable without one. */
export function createHealthServer(options: HealthOptions): Server {
  const livez = (): Promise<unknown> => Promise.resolve({ status: 'ok' });
  const readyz = (): Promise<unknown> =>
    options.draining() ? Promise.reject(new AppError('shutting_down')) : livez();
  return createJsonServer({
    routes: [
      { method: 'GET', path: '/livez', scope: null, handle: livez },
      { method: 'GET', path: '/readyz', scope: null, handle: readyz },
      metricsRoute(options.registry),
    ],
    tokens: fixedTokens({}),
    bodyBytesMax: 0,
    log: options.log,
  });
}
