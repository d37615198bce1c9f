/** Takes a host's events once each (migration 0011 has the function). */
import { HOT_EVENTS_MAX } from '../../model/limits.ts';
import type { AgentEvent } from '../../model/wire.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('event_insert', 2);

/** @returns false if the table is full: then nothing has been taken. */
export async function eventInsert(hot: Hot, events: readonly AgentEvent[]): Promise<boolean> {
  const values = [JSON.stringify(events), HOT_EVENTS_MAX];
  const [taken] = await hot.durable<{ event_insert: boolean }>(statement, values);
  return taken?.event_insert ?? false;
}
