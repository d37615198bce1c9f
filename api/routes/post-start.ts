/** start / resume */
import { z } from 'zod';
import { route } from '../route.ts';
import { cause, epoch } from '../schemas.ts';
import type { StartRequest } from '../../model/wire.ts';

const body = z
  .strictObject({
    cause: cause.optional(),
    stale_epoch: epoch.optional(),
    priority: z.enum(['demand', 'maintenance']).optional(),
    wait: z.boolean().optional(),
  })
  .default({});

export const postStart = route({
  method: 'post',
  path: '/v1/databases/:id/start',
  scopes: ['proxy', 'operator', 'cold'],
  summary: 'Start a sleeping database, or say where it runs.',
  body,
  async handle(context, input) {
    const answer = await context.starter.start({
      database: input.params['id'] ?? '',
      request: input.body as StartRequest,
      requestId: input.requestId,
      force: input.scope === 'operator',
    });
    context.metrics.starts.inc({ cold_start: answer.cold_start });
    return { status: answer.state === 'running' ? 200 : 202, body: answer };
  },
});
