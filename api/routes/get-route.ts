/** route */
import type { RouteAnswer } from '../../model/wire.ts';
import { databaseLive } from '../../db/hot/database-find.ts';
import { orAway } from '../anywhere.ts';
import { livingDocument } from '../identity.ts';
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
    const row = await orAway(databaseLive(context.hot, id), () => undefined);
    // The volume knows that it exists, and nobody its epoch.
    if (row === undefined) await livingDocument(context, id, input.requestId);
    const [epoch, stale] = [row?.epoch ?? 0, row === undefined];
    return ok({ state: 'suspended', epoch, stale } satisfies RouteAnswer);
  },
});
