/** What host agents tell: their whole state, every second, and the events of their journals, once each. */
import { eventsRequest, hostReport } from '../../contract/requests.ts';
import { AppError } from '../../model/errors.ts';
import type { EventsAnswer, HostReport, SyncAnswer } from '../../model/wire.ts';
import { eventInsert } from '../../db/hot/event-insert.ts';
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

export const postEvents = route({
  method: 'post',
  path: '/v1/hosts/:id/events',
  scopes: ['host'],
  summary: "Events of a host agent's journal, in order.",
  body: eventsRequest,
  async handle(context, input) {
    const { events } = input.body;
    if (events.some((event) => event.host !== input.params['id']))
      throw new AppError('bad_request', { detail: 'an event of another host' });
    // So that what follows is the tenant's, also of one that was made while the index was away.
    const host = input.params['id'] ?? '';
    const of = (wanted: string): string[] =>
      events.flatMap(({ kind, database = [] }) => (kind === wanted ? database : []));
    await context.adopter.adopt(host, of('created'), input.requestId);
    for (const id of new Set(of('roles_changed')))
      await context.adopter.hear(host, id, input.requestId);
    if (!(await eventInsert(context.hot, events)))
      throw new AppError('storage_full', { detail: 'the event table is full' });
    const generation = await context.generation();
    const { boot = 0, seq = 0 } = events.at(-1) ?? {};
    return ok({ boot, seq, generation } satisfies EventsAnswer);
  },
});
