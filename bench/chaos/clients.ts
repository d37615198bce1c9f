/** Clients of one database, one through each proxy, that come back whatever happens to them. */
import { setTimeout as delay } from 'node:timers/promises';
import { openSession, within } from '../kills/session.ts';
import { createAvailability, type Availability } from './availability.ts';

/** No answer for so long counts as none: the session is left behind. */
const QUERY_MS_MAX = 5_000;
const AGAIN_MS = 100;

/** How a database is used. */
export interface Habit {
  /** Rows that a session writes before it leaves, at most. */
  readonly rows: number;
  readonly rowPauseMs: number;
  /** Between two sessions, at most. */
  readonly restMs: number;
}

export interface Clients {
  readonly id: string;
  readonly url: string;
  readonly availability: Availability;
  /** The numbers whose commit has been confirmed. */
  readonly acknowledged: readonly number[];
  /** What they were told last, for people. */
  readonly trouble: () => string;
  readonly stop: () => Promise<void>;
}

/** The same database through another proxy. */
export function through(url: string, port: number): string {
  const other = new URL(url);
  other.port = String(port);
  return other.href;
}

export interface ClientsOptions {
  readonly id: string;
  readonly url: string;
  readonly ports: readonly number[];
  readonly habit: Habit;
  readonly random: () => number;
  readonly now: () => number;
}

export function startClients(options: ClientsOptions): Clients {
  const { habit, random, now } = options;
  const availability = createAvailability();
  const acknowledged: number[] = [];
  let next = 1;
  let stopped = false;
  let trouble = '';

  /** Each number is written once at most, since nobody knows what became of one unanswered. */
  async function visit(url: string): Promise<void> {
    availability.tried(now());
    const client = await openSession(url, 'chaos');
    try {
      const rows = 1 + Math.floor(random() * habit.rows);
      for (let row = 0; row < rows && !stopped; row++) {
        const n = next++;
        await within(QUERY_MS_MAX, client.query('insert into numbered values ($1)', [n]));
        acknowledged.push(n);
        if (row === 0) availability.used(now());
        await delay(habit.rowPauseMs);
      }
    } finally {
      await within(1_000, client.end()).catch(() => undefined);
    }
  }

  async function come(url: string): Promise<void> {
    while (!stopped) {
      try {
        await visit(url);
        await delay(random() * habit.restMs);
      } catch (error) {
        const port = new URL(url).port;
        trouble = `${port}: ${error instanceof Error ? error.message : String(error)}`;
        await delay(AGAIN_MS);
      }
    }
  }

  const coming = options.ports.map((port) => come(through(options.url, port)));
  return {
    id: options.id,
    url: options.url,
    availability,
    acknowledged,
    trouble: () => trouble,
    async stop() {
      stopped = true;
      await Promise.all(coming);
    },
  };
}
