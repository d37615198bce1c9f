/** change */
import { changeRequest } from '../../contract/requests.ts';
import { databaseGet } from '../../db/hot/database-find.ts';
import { databaseAnswer } from '../database-answer.ts';
import { changeIdentity, type Change } from '../identity.ts';
import { ok, route } from '../route.ts';

export const patchDatabase = route({
  method: 'patch',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create'],
  summary:
    'Change idle time, ignore list, allow list, TLS rule, labels; the size from the next start.',
  body: changeRequest,
  async handle(context, input) {
    const id = input.params['id'] ?? '';
    await changeIdentity(context, id, () => input.body as Change, input.requestId);
    return ok(databaseAnswer(await databaseGet(context.hot, id)));
  },
});
