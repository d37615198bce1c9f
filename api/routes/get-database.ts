/** read */
import { databaseGet } from '../../db/hot/database-find.ts';
import { databaseAnswer } from '../database-answer.ts';
import { ok, route } from '../route.ts';

export const getDatabase = route({
  method: 'get',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create', 'cold'],
  summary: 'One database.',
  async handle(context, input) {
    return ok(databaseAnswer(await databaseGet(context.hot, input.params['id'] ?? '')));
  },
});
