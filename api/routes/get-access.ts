/** access: what the proxy needs before it wakes anything */
import { AppError } from '../../model/errors.ts';
import type { AccessAnswer } from '../../model/wire.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { ok, route } from '../route.ts';

export const getAccess = route({
  method: 'get',
  path: '/v1/databases/:id/access',
  scopes: ['proxy'],
  summary: 'Verifiers, allow list, TLS rule and idle time of a database.',
  async handle(context, input) {
    const row = await databaseFind(context.hot, input.params['id'] ?? '');
    if (row === undefined) throw new AppError('database_not_found');
    if (row.state === 'deleting') throw new AppError('database_deleted');
    const { roles, allow, tls, idle_ms } = row.identity;
    return ok({
      database: row.id,
      version: row.identity_version,
      roles,
      allow,
      tls,
      idle_ms,
    } satisfies AccessAnswer);
  },
});
