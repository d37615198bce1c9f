/** read */
import { AppError } from '../../model/errors.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseAnswer } from '../database-answer.ts';
import { ok, route } from '../route.ts';

export const getDatabase = route({
  method: 'get',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create', 'cold'],
  summary: 'One database.',
  async handle(context, input) {
    const row = await databaseFind(context.hot, input.params['id'] ?? '');
    if (row === undefined) throw new AppError('database_not_found');
    return ok(databaseAnswer(row));
  },
});
