/** start / resume */
import { startRequest } from '../../contract/requests.ts';
import { route } from '../route.ts';

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
