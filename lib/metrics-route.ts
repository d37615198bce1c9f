/** The metrics of a process whose HTTP server is lib/http-server.ts. */
import type { Registry } from 'prom-client';
import { textAnswer, type HttpRoute } from './http-server.ts';

/** `GET /metrics`, open to all who reach the port. */
export function metricsRoute(registry: Registry): HttpRoute {
  return {
    method: 'GET',
    path: '/metrics',
    scope: null,
    handle: async () => textAnswer(await registry.metrics(), 200, registry.contentType),
  };
}
