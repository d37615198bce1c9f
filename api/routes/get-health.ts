/** livez, readyz and metrics */
import { generationFind } from '../../db/hot/generation-find.ts';
import { ok, route } from '../route.ts';

export const getLivez = route({
  method: 'get',
  path: '/livez',
  scopes: [],
  summary: 'The process answers.',
  handle: async () => ok({ status: 'ok' }),
});

export const getReadyz = route({
  method: 'get',
  path: '/readyz',
  scopes: [],
  summary: 'Served, degraded (and what is missing), or not.',
  async handle(context) {
    const missing: string[] = [];
    if (context.fleet.liveHosts(context.now()).length === 0) missing.push('hosts');
    await generationFind(context.hot).catch(() => missing.push('hot Postgres'));
    const served = !missing.includes('hosts');
    const status = missing.length === 0 ? 'served' : served ? 'degraded' : 'not served';
    return { status: served ? 200 : 503, body: { status, missing } };
  },
});

export const getMetrics = route({
  method: 'get',
  path: '/metrics',
  scopes: [],
  summary: 'Prometheus metrics.',
  handle: async (context) => ok(await context.metrics.registry.metrics()),
});
