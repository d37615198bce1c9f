/** host sync: an agent's whole state, every second */
import { z } from 'zod';
import { AppError } from '../../model/errors.ts';
import { isHostId } from '../../model/ids.ts';
import { SIZES, type SizeName } from '../../model/sizes.ts';
import type { HostReport, SyncAnswer } from '../../model/wire.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Context } from '../context.ts';
import { ok, route } from '../route.ts';

const SLOTS_MAX = 100_000;
const sizeName = z.enum(Object.keys(SIZES) as [SizeName, ...SizeName[]]);
const address = z.object({ socket: z.string(), port: z.int() });

const body = z.object({
  host: z.string().refine(isHostId),
  url: z.url({ protocol: /^https?$/ }),
  boot: z.int().min(1),
  version: z.int().min(0),
  capacity: z.partialRecord(sizeName, z.int().min(0).max(SLOTS_MAX)),
  slots: z
    .array(
      z.object({
        size: sizeName,
        slot: z.int().min(1),
        state: z.enum(['building', 'warm', 'starting', 'running', 'stopping']),
        directory: z.string(),
        epoch: z.int().min(0),
        database: z.string().optional(),
        address: address.optional(),
      }),
    )
    .max(SLOTS_MAX),
  volume: z.object({
    id: z.string(),
    kind: z.enum(['shared', 'local']),
    free_bytes: z.number(),
    total_bytes: z.number(),
  }),
});

async function take(context: Context, report: HostReport): Promise<void> {
  if (!context.fleet.hear(report, context.now())) {
    context.metrics.syncs.inc({ outcome: 'unchanged' });
    return;
  }
  const taken = await hostSync(context.hot, report);
  context.fleet.indexed(report.host, report);
  context.metrics.syncs.inc({ outcome: taken ? 'taken' : 'dropped' });
}

export const postSync = route({
  method: 'post',
  path: '/v1/hosts/:id/sync',
  scopes: ['host'],
  summary: "A host agent's whole state.",
  body,
  async handle(context, input) {
    const report = input.body as HostReport;
    if (report.host !== input.params['id'])
      throw new AppError('bad_request', { detail: 'the host in path and body differ' });
    await take(context, report);
    return ok({ generation: await context.generation() } satisfies SyncAnswer);
  },
});
