/** create */
import { z } from 'zod';
import { AppError } from '../../model/errors.ts';
import { DEFAULT_IDLE_MS } from '../../model/identity.ts';
import { isSizeName } from '../../model/sizes.ts';
import { createDatabase } from '../create.ts';
import { route } from '../route.ts';
import { settings, tenantName } from '../schemas.ts';

const body = z.strictObject({
  tenant: tenantName,
  size: z.string().default('small'),
  idle_ms: settings.idle_ms.default(DEFAULT_IDLE_MS),
  idle_sessions: settings.idle_sessions.default('close'),
  ignore: settings.ignore.default([]),
  allow: settings.allow.default([]),
  tls: settings.tls.default('optional'),
  labels: settings.labels.default({}),
});

export const postDatabases = route({
  method: 'post',
  path: '/v1/databases',
  scopes: ['create', 'operator'],
  summary: 'Create a database. The password is in this answer and nowhere else.',
  body,
  async handle(context, input) {
    const { size, ...rest } = input.body;
    if (!isSizeName(size)) throw new AppError('unknown_size');
    const created = await createDatabase(context, {
      spec: { ...rest, size },
      key: input.idempotencyKey,
      requestId: input.requestId,
    });
    return { status: 201, body: created };
  },
});
