/** suspend */
import { suspendRequest } from '../../contract/requests.ts';
import { ok, route } from '../route.ts';
import { suspendDatabase } from '../suspend.ts';

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
