/** Prometheus metrics of one process; every name begins with `pilotlight_`. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { textAnswer, type HttpRoute } from './http-server.ts';

export const METRICS_PREFIX = 'pilotlight_';

/** @param process_ label of every metric: api, host, proxy, … */
export function createRegistry(process_: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ process: process_ });
  collectDefaultMetrics({ register: registry, prefix: METRICS_PREFIX });
  return registry;
}

/** `GET /metrics`, open to all who reach the port. */
export function metricsRoute(registry: Registry): HttpRoute {
  return {
    method: 'GET',
    path: '/metrics',
    scope: null,
    handle: async () => textAnswer(await registry.metrics(), 200, registry.contentType),
  };
}
