/** The journal of a simulated agent: the same events with the same numbers, in memory. */
import type { AgentEvent } from '../model/wire.ts';
import type { Acknowledged, Journal, NewEvent } from './journal.ts';
import { isAfter } from './segments.ts';

/** Acknowledged events that are kept for another hot database; a real journal keeps 48 hours. */
const KEEP_MAX = 10_000;

/** What outlives the agent. */
export interface SimJournalStore {
  events: AgentEvent[];
  held: Acknowledged;
}

export const newJournalStore = (): SimJournalStore => ({
  events: [],
  held: { boot: 0, seq: 0, generation: '' },
});

export function openSimJournal(store: SimJournalStore, host: string, boot: number): Journal {
  const listeners: ((event: NewEvent) => void)[] = [];
  let seq = 0;
  return {
    append(event) {
      seq += 1;
      store.events.push({ ...event, host, boot, seq, at: new Date().toISOString() });
      for (const listener of listeners) listener(event);
    },
    flushed: () => Promise.resolve(),
    onAppend: (listener) => void listeners.push(listener),
    after: (position, max) =>
      Promise.resolve(store.events.filter((event) => isAfter(event, position)).slice(0, max)),
    backlog: () => seq - (store.held.boot === boot ? store.held.seq : 0),
    acknowledged: () => Promise.resolve(store.held),
    acknowledge(held) {
      store.held = held;
      const acked = store.events.filter((event) => !isAfter(event, held)).length;
      if (acked > 2 * KEEP_MAX) store.events = store.events.slice(acked - KEEP_MAX);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
