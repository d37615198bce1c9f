/** start, suspend, restart: the verbs of an incarnation */
import { startRequest, suspendRequest } from '../../contract/requests.ts';
import { databaseLive } from '../../db/hot/database-find.ts';
import { ok, route } from '../route.ts';
import { suspendDatabase } from '../suspend.ts';

export const postStart = route({
  method: 'post',
  path: '/v1/databases/:id/start',
  scopes: ['proxy', 'operator', 'cold'],
  summary: 'Start a sleeping database, or say where it runs.',
  body: startRequest,
  async handle(context, input) {
    const answer = await context.starter.start({
      database: input.params['id'] ?? '',
      request: { cause: { source: input.caller.name }, ...input.body },
      requestId: input.requestId,
      force: input.caller.scopes.includes('operator'),
    });
    return { status: answer.state === 'running' ? 200 : 202, body: answer };
  },
});

export const postSuspend = route({
  method: 'post',
  path: '/v1/databases/:id/suspend',
  scopes: ['proxy', 'operator', 'cold'],
  summary: 'Suspend this epoch; nothing happens unless it is the running one.',
  body: suspendRequest,
  async handle(context, input) {
    const id = input.params['id'] ?? '';
    return ok(await suspendDatabase(context, id, input.body, input.requestId));
  },
});

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
