/** access: what the proxy needs before it wakes anything */
import type { Identity } from '../../model/identity.ts';
import type { AccessAnswer } from '../../model/wire.ts';
import { databaseLive } from '../../db/hot/database-find.ts';
import type { Context } from '../context.ts';
import { orAway } from '../anywhere.ts';
import { livingDocument } from '../identity.ts';
import { ok, route } from '../route.ts';

/** Of the index; of the volume where the index is away, or has not been told yet of what was said here. */
async function accessOf(
  context: Context,
  id: string,
  requestId: string,
): Promise<Omit<Identity, 'directory'>> {
  const isOwed = context.adopter.isOwed(id);
  const row = isOwed ? undefined : await orAway(databaseLive(context.hot, id), () => undefined);
  if (row === undefined) return livingDocument(context, id, requestId);
  return { ...row.identity, version: row.identity_version };
}

export const getAccess = route({
  method: 'get',
  path: '/v1/databases/:id/access',
  scopes: ['proxy'],
  summary: 'Verifiers, allow list, TLS rule and idle time of a database.',
  async handle(context, input) {
    const identity = await accessOf(context, input.params['id'] ?? '', input.requestId);
    const { id: database, version, roles, allow, tls, idle_ms } = identity;
    const runs = context.fleet.running(database);
    const at = runs && { at: { epoch: runs.epoch, address: runs.address } };
    return ok({ database, version, roles, allow, tls, idle_ms, ...at } satisfies AccessAnswer);
  },
});
