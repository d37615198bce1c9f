/** access: what the proxy needs before it wakes anything */
import type { Identity } from '../../model/identity.ts';
import type { AccessAnswer } from '../../model/wire.ts';
import { databaseLive } from '../../db/hot/database-find.ts';
import { AppError, codeOf } from '../../model/errors.ts';
import type { Context } from '../context.ts';
import { writerOf } from '../identity.ts';
import { ok, route } from '../route.ts';

/** Of the index; of the volume where the index is away, or has not been told yet of what was said here. */
async function documentOf(
  context: Context,
  id: string,
  requestId: string,
): Promise<Omit<Identity, 'directory'>> {
  try {
    if (!context.adopter.isOwed(id)) {
      const { identity, identity_version: version } = await databaseLive(context.hot, id);
      return { ...identity, version };
    }
  } catch (error) {
    if (codeOf(error) !== 'unavailable') throw error;
  }
  const identity = await context.agents.identity(writerOf(context, id), id, requestId);
  if (identity.deleted_at !== null) throw new AppError('database_deleted');
  return identity;
}

export const getAccess = route({
  method: 'get',
  path: '/v1/databases/:id/access',
  scopes: ['proxy'],
  summary: 'Verifiers, allow list, TLS rule and idle time of a database.',
  async handle(context, input) {
    const identity = await documentOf(context, input.params['id'] ?? '', input.requestId);
    const { id: database, version, roles, allow, tls, idle_ms } = identity;
    return ok({ database, version, roles, allow, tls, idle_ms } satisfies AccessAnswer);
  },
});
