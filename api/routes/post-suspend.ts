/** suspend */
import { z } from 'zod';
import { ok, route } from '../route.ts';
import { epoch } from '../schemas.ts';
import { suspendDatabase } from '../suspend.ts';
import type { SuspendRequest } from '../../model/wire.ts';

const body = z.strictObject({ epoch, if_idle: z.boolean().optional() });

export const postSuspend = route({
  method: 'post',
  path: '/v1/databases/:id/suspend',
  scopes: ['proxy', 'operator', 'cold'],
  summary: 'Suspend this epoch; nothing happens unless it is the running one.',
  body,
  async handle(context, input) {
    const request = input.body as SuspendRequest;
    const id = input.params['id'] ?? '';
    return ok(await suspendDatabase(context, id, request, input.requestId));
  },
});
