/** What a proxy asks: where a database runs, and who may log in. */
import { databaseLive } from '../../db/hot/database-find.ts';
import { accessOf } from '../../model/access.ts';
import type { Identity } from '../../model/identity.ts';
import type { AccessAnswer, RouteAnswer } from '../../model/wire.ts';
import { orAway } from '../anywhere.ts';
import type { Context } from '../context.ts';
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

/** Of the index; of the volume where the index is away, or has not been told yet of what was said here. */
async function identityOf(
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
    const identity = await identityOf(context, input.params['id'] ?? '', input.requestId);
    const runs = context.fleet.running(identity.id);
    const at = runs && { at: { epoch: runs.epoch, address: runs.address } };
    return ok({ ...accessOf(identity), ...at } satisfies AccessAnswer);
  },
});
