/**
 * The agent's own visits to tenants' Postgres beside the looks at idleness: migrations, roles. They are
 * not the tenant's work, so what decides about idleness has to know of them.
 */
import type { Incarnation } from './incarnation.ts';
import { createQueues } from './queues.ts';

export interface Guests {
  /** One at a time for a database. Not in its queue: no demand waits for maintenance. */
  readonly inTurn: <T>(database: string, work: () => Promise<T>) => Promise<T>;
  /** Counts a connection for as long as `work` takes. */
  readonly visit: <T>(incarnation: Incarnation, work: () => Promise<T>) => Promise<T>;
  /** The same to the superuser's own database, which no statistics count. @returns its end. */
  readonly sit: (incarnation: Incarnation) => () => void;
  /** Connections that are ours now. */
  readonly open: (incarnation: Incarnation) => number;
  /** Counts beginnings and ends: while it stays the same, so does `open`. */
  readonly changes: (incarnation: Incarnation) => number;
  /** Whether a visit has ended since this was asked last: statistics from before say nothing. */
  readonly takeEnded: (incarnation: Incarnation) => boolean;
}

export function createGuests(): Guests {
  const turns = createQueues();
  const counts = new WeakMap<Incarnation, number>();
  const changes = new WeakMap<Incarnation, number>();
  const ended = new WeakSet<Incarnation>();
  const count = (incarnation: Incarnation, by: number): void => {
    counts.set(incarnation, (counts.get(incarnation) ?? 0) + by);
    changes.set(incarnation, (changes.get(incarnation) ?? 0) + 1);
  };
  return {
    inTurn: turns.run,
    async visit(incarnation, work) {
      count(incarnation, 1);
      try {
        return await work();
      } finally {
        count(incarnation, -1);
        ended.add(incarnation);
      }
    },
    sit(incarnation) {
      count(incarnation, 1);
      return () => count(incarnation, -1);
    },
    open: (incarnation) => counts.get(incarnation) ?? 0,
    changes: (incarnation) => changes.get(incarnation) ?? 0,
    takeEnded: (incarnation) => ended.delete(incarnation),
  };
}
