/** restart: what runs ends and starts anew, of the size and with the settings of now */
import { databaseLive } from '../../db/hot/database-find.ts';
import { ok, route } from '../route.ts';
import { suspendDatabase } from '../suspend.ts';

export const postRestart = route({
  method: 'post',
  path: '/v1/databases/:id/restart',
  scopes: ['operator', 'create', 'cold'],
  summary: 'End the run and start anew; its sessions end. One that sleeps stays asleep.',
  async handle(context, { params, requestId, caller }) {
    const { id, epoch, state } = await databaseLive(context.hot, params['id'] ?? '');
    if (state === 'suspended') return ok({ state, epoch });
    // Not current any more: whoever was quicker has ended it, or is starting it.
    await suspendDatabase(context, id, { epoch }, requestId);
    const request = { cause: { application_name: 'restart', source: caller.name } };
    const force = caller.scopes.includes('operator');
    return ok(await context.starter.start({ database: id, request, requestId, force }));
  },
});
