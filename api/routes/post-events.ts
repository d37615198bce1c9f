/** events of a host's journal, taken once each */
import { z } from 'zod';
import { AppError } from '../../model/errors.ts';
import { EVENTS_PER_CALL_MAX } from '../../model/limits.ts';
import type { AgentEvent, EventsAnswer } from '../../model/wire.ts';
import { eventInsert } from '../../db/hot/event-insert.ts';
import { ok, route } from '../route.ts';

const body = z.object({
  events: z
    .array(
      z.object({
        host: z.string(),
        boot: z.int().min(1),
        seq: z.int().min(1),
        kind: z.string().max(40),
        at: z.iso.datetime(),
        directory: z.string(),
        database: z.string().optional(),
        epoch: z.int().min(0),
        size: z.string(),
        reason: z.string().max(1_000).optional(),
      }),
    )
    .min(1)
    .max(EVENTS_PER_CALL_MAX),
});

export const postEvents = route({
  method: 'post',
  path: '/v1/hosts/:id/events',
  scopes: ['host'],
  summary: "Events of a host agent's journal, in order.",
  body,
  async handle(context, input) {
    const events = input.body.events as AgentEvent[];
    if (events.some((event) => event.host !== input.params['id']))
      throw new AppError('bad_request', { detail: 'an event of another host' });
    if (!(await eventInsert(context.hot, events)))
      throw new AppError('storage_full', { detail: 'the event table is full' });
    const last = events.at(-1);
    const generation = await context.generation();
    return ok({
      boot: last?.boot ?? 0,
      seq: last?.seq ?? 0,
      generation,
    } satisfies EventsAnswer);
  },
});
