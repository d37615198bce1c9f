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
/** Of one host, not told yet; above it roles and sources of a database are no longer told apart. */
const APART_MAX = 2_000;
/** While no agent takes them: above it they are in the log only. */
const SUMMARIES_MAX = 10_000;

export type Ended = Omit<SessionSummary, 'count'>;

export interface Summaries {
  readonly ended: (address: Address, session: Ended) => void;
  /** Tells what is there, once. */
  readonly stop: () => Promise<void>;
}

interface Host {
  /** Any of its addresses: they are in one folder. */
  readonly address: Address;
  gathered: Map<string, SessionSummary>;
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

  async function tell(key: string, one: Host): Promise<void> {
    if (one.sending === undefined) {
      const entries = [...one.gathered].slice(0, SUMMARIES_PER_CALL);
      for (const [taken] of entries) one.gathered.delete(taken);
      one.sending = { proxy, batch: ++batch, sessions: entries.map(([, summary]) => summary) };
    }
    // The same batch again, until it is answered.
    if ((await host.tell(one.address, PATH, one.sending)) === undefined) return;
    one.sending = undefined;
    if (one.gathered.size === 0) hosts.delete(key);
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
      const one = hosts.get(folder) ?? { address, gathered: new Map(), sending: undefined };
      hosts.set(folder, one);
      const apart = keyOf(session);
      const alike = one.gathered.size < APART_MAX || one.gathered.has(apart);
      const told = alike ? session : { ...session, cause: {} };
      const key = keyOf(told);
      const before = one.gathered.get(key);
      if (before === undefined && one.gathered.size >= SUMMARIES_MAX) return;
      one.gathered.set(key, sum(before, told));
      arm();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.all([...hosts].map(([key, one]) => tell(key, one)));
    },
  };
}
