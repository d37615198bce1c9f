/** One life after the other of one database: woken, written to, suspended; now and then all at once. */
import { createJsonClient } from '../../lib/http-client.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import type { DatabaseAnswer, SuspendAnswer } from '../../model/wire.ts';
import { openSession, within } from '../kills/session.ts';

const CALL_MS = 40_000;
const QUERY_MS_MAX = 15_000;

/** A database, the numbers whose commit it has confirmed, and the one that it is given next. */
export interface Cycled {
  readonly id: string;
  readonly url: string;
  readonly acknowledged: number[];
  next: number;
}

export interface Tally {
  /** Milliseconds from connect to the commit of the first row. */
  readonly wakes: number[];
  /** Why a client got no row in. */
  readonly lost: string[];
}

export interface Verbs {
  /** Through either api, whichever `random` says. */
  readonly suspend: (id: string, if_idle: boolean) => Promise<void>;
  readonly start: (id: string) => Promise<void>;
  readonly close: () => void;
}

export function createVerbs({ api }: Endpoints, random: () => number): Verbs {
  const client = createJsonClient(api.tokens['operator'] ?? '');
  const at = (id: string, verb: string): string =>
    `${api.urls[Math.floor(random() * api.urls.length)]}/v1/databases/${id}${verb}`;
  return {
    async suspend(id, if_idle) {
      const look = at(id, '?awake=false');
      const { epoch } = await client.call<DatabaseAnswer>(look, { timeoutMs: CALL_MS });
      const body = { epoch, if_idle };
      await client.call<SuspendAnswer>(at(id, '/suspend'), { body, timeoutMs: CALL_MS });
    },
    async start(id) {
      await client.call(at(id, '/start'), { body: {}, timeoutMs: CALL_MS });
    },
    close: client.close,
  };
}

const note = (tally: Tally, { id }: Cycled, error: unknown): void => {
  tally.lost.push(`${id}: ${error instanceof Error ? error.message : String(error)}`);
};

/** Connects, writes one number and leaves. */
async function write(database: Cycled, tally: Tally): Promise<void> {
  const n = database.next++;
  const began = performance.now();
  try {
    const client = await openSession(database.url, 'cycles');
    try {
      await within(QUERY_MS_MAX, client.query('insert into numbered values ($1)', [n]));
      database.acknowledged.push(n);
      tally.wakes.push(performance.now() - began);
    } finally {
      await within(1_000, client.end()).catch(() => undefined);
    }
  } catch (error) {
    note(tally, database, error);
  }
}

type Kind = (database: Cycled, verbs: Verbs, tally: Tally) => Promise<void>;

const KINDS: readonly Kind[] = [
  (database, _, tally) => write(database, tally),
  // The proxy's start joins the one that was asked of the other api, or the other way round.
  async (database, verbs, tally) => {
    const started = verbs
      .start(database.id)
      .catch((error: unknown) => note(tally, database, error));
    await Promise.all([started, write(database, tally)]);
  },
  async (database, _, tally) => {
    await Promise.all([write(database, tally), write(database, tally)]);
  },
  // A suspend that spares who works, while a client comes: nobody may notice it.
  async (database, verbs, tally) => {
    await write(database, tally);
    await Promise.all([verbs.suspend(database.id, true), write(database, tally)]);
  },
];

/** At the end it is suspended, or about to be. */
export async function cycle(
  database: Cycled,
  verbs: Verbs,
  tally: Tally,
  random: () => number,
): Promise<void> {
  await KINDS[Math.floor(random() * KINDS.length)]?.(database, verbs, tally);
  await verbs.suspend(database.id, false);
}
