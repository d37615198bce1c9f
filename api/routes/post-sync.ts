/** host sync: an agent's whole state, every second */
import { hostReport } from '../../contract/requests.ts';
import { AppError } from '../../model/errors.ts';
import type { HostReport, SyncAnswer } from '../../model/wire.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Context } from '../context.ts';
import { ok, route } from '../route.ts';

async function take(context: Context, report: HostReport, requestId: string): Promise<void> {
  if (!context.fleet.hear(report, context.now())) {
    context.metrics.syncs.inc({ outcome: 'unchanged' });
    return;
  }
  const run = report.slots.flatMap(({ state, database = [] }) =>
    state === 'running' ? database : [],
  );
  await context.adopter.adopt(report.host, run, requestId);
  const taken = await hostSync(context.hot, report);
  context.fleet.indexed(report.host, report);
  context.metrics.syncs.inc({ outcome: taken ? 'taken' : 'dropped' });
}

export const postSync = route({
  method: 'post',
  path: '/v1/hosts/:id/sync',
  scopes: ['host'],
  summary: "A host agent's whole state.",
  body: hostReport,
  async handle(context, input) {
    const report = input.body;
    if (report.host !== input.params['id'])
      throw new AppError('bad_request', { detail: 'the host in path and body differ' });
    await take(context, report, input.requestId);
    return ok({ generation: await context.generation() } satisfies SyncAnswer);
  },
});
