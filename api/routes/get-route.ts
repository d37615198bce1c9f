/** route */
import type { RouteAnswer } from '../../model/wire.ts';
import { databaseLive } from '../../db/hot/database-find.ts';
import { ok, route } from '../route.ts';

export const getRoute = route({
  method: 'get',
  path: '/v1/databases/:id/route',
  scopes: ['proxy', 'operator', 'cold'],
  summary: 'Where a database runs, or that it sleeps.',
  async handle(context, input) {
    const id = input.params['id'] ?? '';
    const known = context.fleet.running(id);
    if (known !== undefined) {
      const { epoch, address } = known;
      return ok({ state: 'running', epoch, address, stale: false } satisfies RouteAnswer);
    }
    const { epoch } = await databaseLive(context.hot, id);
    return ok({ state: 'suspended', epoch, stale: false } satisfies RouteAnswer);
  },
});
