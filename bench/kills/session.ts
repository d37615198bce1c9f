/** Sessions that come back whatever happens to them. */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Client } from '../../db/client.ts';

const CONNECT_MS_MAX = 12_000;
/** No answer for so long counts as none: the session is left behind. */
const QUERY_MS_MAX = 15_000;
const PAUSE_MS = 50;

/** Settles with the work, or rejects after `ms`. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function openSession(url: string, name: string): Promise<Client> {
  return connect(url, {
    connectTimeoutMs: CONNECT_MS_MAX,
    applicationName: name,
    // The query that comes next fails, and that is when it matters.
    onError: () => undefined,
  });
}

export interface Worker {
  /** Resolves when it has ended. */
  readonly stop: () => Promise<void>;
}

/** Runs `turn` in sessions of its own, again and again; any failure means a new session. */
function startWorker(
  url: string,
  name: string,
  turn: (client: Client, stopped: () => boolean) => Promise<void>,
): Worker {
  let stopped = false;
  async function once(): Promise<void> {
    const client = await openSession(url, name);
    try {
      while (!stopped) await turn(client, () => stopped);
    } finally {
      await within(1_000, client.end()).catch(() => undefined);
    }
  }
  async function run(): Promise<void> {
    while (!stopped) {
      await once().catch(() => undefined);
      if (!stopped) await delay(PAUSE_MS);
    }
  }
  const running = run();
  return {
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** Between two writes, so that several writers leave the machine some air. */
const WRITE_PAUSE_MS = 5;

export interface Writer extends Worker {
  /** The numbers whose commit has been confirmed. */
  readonly acknowledged: () => readonly number[];
}

/** Writes one number after another, each in a transaction of its own, and never one twice. */
export function startWriter(url: string): Writer {
  const acknowledged: number[] = [];
  let next = 1;
  const worker = startWorker(url, 'kills writer', async (client) => {
    const n = next++;
    await within(QUERY_MS_MAX, client.query('insert into numbered values ($1)', [n]));
    acknowledged.push(n);
    await delay(WRITE_PAUSE_MS);
  });
  return { ...worker, acknowledged: () => acknowledged };
}

/**
 * A statement that writes a row every few milliseconds for minutes. It computes in between and does
 * not sleep: a backend that sleeps sees its postmaster's end, one that computes works on.
 */
const LONG_STATEMENT = `insert into slow
  select g, (select sum(sqrt(i + g)) from generate_series(1, 20000) i)
  from generate_series(1, 100000) g`;

/** One session always in a long writing statement; at the end it is cancelled by leaving. */
export function startSlowSession(url: string): Worker {
  return startWorker(url, 'kills slow', async (client, stopped) => {
    const statement = client.query(LONG_STATEMENT).then(
      () => 'done' as const,
      () => 'failed' as const,
    );
    for (;;) {
      const outcome = await Promise.race([statement, delay(100)]);
      if (outcome === 'failed') throw new Error('the session has ended');
      if (outcome === 'done' || stopped()) return;
    }
  });
}
