/** access: what the proxy needs before it wakes anything */
import type { AccessAnswer } from '../../model/wire.ts';
import { databaseLive } from '../../db/hot/database-find.ts';
import { ok, route } from '../route.ts';

export const getAccess = route({
  method: 'get',
  path: '/v1/databases/:id/access',
  scopes: ['proxy'],
  summary: 'Verifiers, allow list, TLS rule and idle time of a database.',
  async handle(context, input) {
    const row = await databaseLive(context.hot, input.params['id'] ?? '');
    const { id: database, identity_version: version, identity } = row;
    const { roles, allow, tls, idle_ms } = identity;
    return ok({ database, version, roles, allow, tls, idle_ms } satisfies AccessAnswer);
  },
});
