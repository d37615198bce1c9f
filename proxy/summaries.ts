/**
 * Summaries of sessions and refusals for the event feed, told to the agent of the host where the database
 * ran: its journal keeps them while no api answers. What ended alike within some seconds is one, so
 * that a client which connects for each statement makes no more of them than another.
 */
import { randomUUID } from 'node:crypto';
import { runFolderOf } from '../lib/run-folder.ts';
import type { Address, SessionsEnded, SessionSummary } from '../model/wire.ts';
import type { HostAccess } from './host-access.ts';

const PATH = '/v1/sessions/ended';
const TELL_MS = 5_000;
const SUMMARIES_PER_CALL = 500;
/** Of one database, not told yet; above it its roles and sources are no longer told apart. */
const APART_MAX = 50;
/** Of one host, while its agent takes none: above it they are in the log only. */
const SUMMARIES_MAX = 10_000;
/** So that a stop ends. */
const LAST_CALLS_MAX = 20;

export type Ended = Omit<SessionSummary, 'count'>;

export interface Summaries {
  readonly ended: (address: Address, session: Ended) => void;
  /** Tells what is there, as long as it is taken. */
  readonly stop: () => Promise<void>;
}

interface Host {
  /** Any of its addresses: they are in one folder. */
  readonly address: Address;
  readonly gathered: Map<string, SessionSummary>;
  /** How many of those are of a database. */
  readonly apart: Map<string, number>;
  /** Sent, and not answered yet. */
  sending: SessionsEnded | undefined;
}

function sum(a: SessionSummary | undefined, b: Ended): SessionSummary {
  if (a === undefined) return { ...b, count: 1 };
  return {
    ...a,
    count: a.count + 1,
    bytes_in: a.bytes_in + b.bytes_in,
    bytes_out: a.bytes_out + b.bytes_out,
    session_ms: a.session_ms + b.session_ms,
  };
}

const keyOf = ({ database, epoch, cause, ended }: Ended): string =>
  JSON.stringify([database, epoch, cause.role, cause.application_name, cause.source, ended]);

export function createSummaries(host: Pick<HostAccess, 'tell'>): Summaries {
  const proxy = randomUUID();
  const hosts = new Map<string, Host>();
  let batch = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function take(one: Host): SessionsEnded {
    const entries = [...one.gathered].slice(0, SUMMARIES_PER_CALL);
    for (const [key, { database }] of entries) {
      one.gathered.delete(key);
      one.apart.set(database, (one.apart.get(database) ?? 0) - 1);
    }
    if (one.gathered.size === 0) one.apart.clear();
    return { proxy, batch: ++batch, sessions: entries.map(([, summary]) => summary) };
  }

  /** @returns whether there is more, and somebody who takes it. */
  async function tell(key: string, one: Host): Promise<boolean> {
    // The same batch again, until it is answered.
    const sent = (one.sending ??= take(one));
    if ((await host.tell(one.address, PATH, sent)) === undefined) return false;
    if (one.sending === sent) one.sending = undefined;
    if (one.gathered.size > 0) return true;
    hosts.delete(key);
    return false;
  }

  async function tellAll(): Promise<void> {
    await Promise.all([...hosts].map(([key, one]) => tell(key, one)));
    timer = undefined;
    if (hosts.size > 0) arm();
  }

  function arm(): void {
    if (timer !== undefined || stopped) return;
    timer = setTimeout(() => void tellAll(), TELL_MS);
    timer.unref();
  }

  return {
    ended(address, session) {
      const folder = runFolderOf(address.socket);
      const one = hosts.get(folder) ?? {
        ...{ address, gathered: new Map(), apart: new Map(), sending: undefined },
      };
      hosts.set(folder, one);
      const { gathered, apart } = one;
      const here = apart.get(session.database) ?? 0;
      const own = keyOf(session);
      const isApart = here < APART_MAX || gathered.has(own);
      const told = isApart ? session : { ...session, cause: {} };
      const key = isApart ? own : keyOf(told);
      const before = gathered.get(key);
      if (before === undefined && gathered.size >= SUMMARIES_MAX) return;
      if (before === undefined) apart.set(session.database, here + 1);
      gathered.set(key, sum(before, told));
      arm();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.all(
        [...hosts].map(async ([key, one]) => {
          for (let calls = 0; calls < LAST_CALLS_MAX && (await tell(key, one)); calls++);
        }),
      );
    },
  };
}
