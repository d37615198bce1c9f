/** events of a host's journal, taken once each */
import { eventsRequest } from '../../contract/requests.ts';
import { AppError } from '../../model/errors.ts';
import type { EventsAnswer } from '../../model/wire.ts';
import { eventInsert } from '../../db/hot/event-insert.ts';
import { ok, route } from '../route.ts';

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
    const made = events.flatMap(({ kind, database = [] }) => (kind === 'created' ? database : []));
    await context.adopter.adopt(input.params['id'] ?? '', made, input.requestId);
    if (!(await eventInsert(context.hot, events)))
      throw new AppError('storage_full', { detail: 'the event table is full' });
    const last = events.at(-1);
    const generation = await context.generation();
    const { boot = 0, seq = 0 } = last ?? {};
    return ok({ boot, seq, generation } satisfies EventsAnswer);
  },
});
