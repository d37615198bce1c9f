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
    const { state, epoch = 0, socket = null, port = null } = row ?? {};
    // Another instance has started it, and its host's next report is on its way.
    if (state === 'running' && socket !== null && port !== null)
      return ok({ state, epoch, address: { socket, port }, stale: false } satisfies RouteAnswer);
    return ok({ state: 'suspended', epoch, stale: row === undefined } satisfies RouteAnswer);
  },
});
