/** create */
import { AppError } from '../../model/errors.ts';
import { createRequest } from '../../contract/requests.ts';
import { createDatabase } from '../create.ts';
import { route } from '../route.ts';

export const postDatabases = route({
  method: 'post',
  path: '/v1/databases',
  scopes: ['create', 'operator'],
  summary: 'Create a database. The password is in this answer and nowhere else.',
  body: createRequest,
  idempotent: true,
  async handle(context, input) {
    const { tenants } = input.caller;
    if (tenants?.includes(input.body.tenant) === false)
      throw new AppError('forbidden', { detail: 'not this tenant' });
    const created = await createDatabase(context, {
      spec: input.body,
      key: input.idempotencyKey,
      requestId: input.requestId,
    });
    return { status: created.cold_start === 'repeat' ? 200 : 201, body: created };
  },
});
