/** What a proxy remembers of who may log in where, and asking an api for it. */
import { AppError } from '../model/errors.ts';
import { ACCESS_FRESH_MS, ACCESS_STALE_MS_MAX } from '../model/limits.ts';
import type { AccessAnswer } from '../model/wire.ts';
import { pause, unlessAborted } from './abort.ts';
import type { ApiClient } from './api-client.ts';
import { createLru } from './lru.ts';

/** Entries of databases; of ids that do not exist, so that a flood of those evicts no real one. */
const ENTRIES_MAX = 50_000;
const UNKNOWN_MAX = 10_000;
/** A lookup that takes longer counts as silence. */
const CALL_MS_MAX = 2_000;
/** Between tries while no api answers and nothing is known. */
const RETRY_MS = 200;

export interface Entry {
  /** undefined: the api says that there is no such database. */
  readonly access: AccessAnswer | undefined;
  /** When the answer was asked for: it may be as old as that. */
  readonly askedAt: number;
}

/** `bad_request`: a name that can be no id; the proxy and the api must not tell them apart. */
const isUnknown = (error: unknown): boolean =>
  error instanceof AppError &&
  ['database_not_found', 'database_deleted', 'bad_request', 'not_found'].includes(error.code);

/** What is remembered: two bounded maps, of which a database is in one at most. */
export function createEntries(now: () => number) {
  const known = createLru<Entry>(ENTRIES_MAX);
  const unknown = createLru<Entry>(UNKNOWN_MAX);
  return {
    /** @returns the entry that holds now: never an older version than before. */
    store(database: string, entry: Entry): Entry {
      if (entry.access === undefined) {
        known.delete(database);
        unknown.set(database, entry);
        return entry;
      }
      const before = known.get(database)?.access;
      const newer = before === undefined || entry.access.version >= before.version;
      const kept = newer ? entry : { access: before, askedAt: entry.askedAt };
      unknown.delete(database);
      known.set(database, kept);
      return kept;
    },
    any: (database: string) => known.get(database) ?? unknown.get(database),
    isFresh: (entry: Entry) => now() - entry.askedAt < ACCESS_FRESH_MS,
    /** What may be served while no api answers. */
    stale(database: string): Entry | undefined {
      const entry = known.get(database);
      return entry !== undefined && now() - entry.askedAt < ACCESS_STALE_MS_MAX ? entry : undefined;
    },
    peek: (database: string) => known.get(database)?.access,
  };
}

/** One call at a time per database; all who wait share its answer. */
function createFlights(ask: (database: string) => Promise<Entry>) {
  const flights = new Map<string, Promise<Entry>>();
  return function flightOf(database: string): Promise<Entry> {
    let flight = flights.get(database);
    if (flight === undefined) {
      flight = ask(database).finally(() => flights.delete(database));
      flights.set(database, flight);
    }
    return flight;
  };
}

export type Entries = ReturnType<typeof createEntries>;

type Api = Pick<ApiClient, 'call' | 'answers'>;

/** Asking an api, and what to go by where none answers. */
function createAsking(api: Api, entries: Entries, now: () => number) {
  const flightOf = createFlights(async (database) => {
    const askedAt = now();
    try {
      const path = `/v1/databases/${database}/access`;
      const said = await api.call<AccessAnswer>(path, { timeoutMs: CALL_MS_MAX });
      // Of one that sleeps an api says no place; where it ran last can say most.
      const at = said.at ?? entries.peek(database)?.at;
      return entries.store(database, { access: { ...said, ...(at && { at }) }, askedAt });
    } catch (error) {
      if (isUnknown(error)) return entries.store(database, { access: undefined, askedAt });
      throw error;
    }
  });

  return async function refresh(database: string, signal: AbortSignal): Promise<Entry | undefined> {
    const stale = entries.stale(database);
    const flight = flightOf(database);
    if (stale !== undefined && !api.answers()) {
      // Nobody is to wait for an api that is known to be silent; its return is noticed by this call.
      flight.catch(() => undefined);
      return stale;
    }
    try {
      return await unlessAborted(flight, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return entries.stale(database);
    }
  };
}

/** An entry by the api, for a login. */
export interface Asking {
  /** @throws AppError `waking` if nothing is known and no api answers until the deadline. */
  readonly get: (
    database: string,
    deadline: number,
    signal: AbortSignal,
  ) => Promise<AccessAnswer | undefined>;
  /** One that was asked for since; while no api answers, what there is. */
  readonly getSince: (
    database: string,
    began: number,
    signal: AbortSignal,
    paceMs: number,
  ) => Promise<AccessAnswer | undefined>;
}

export function createGetters(api: Api, entries: Entries, now: () => number): Asking {
  const refresh = createAsking(api, entries, now);

  async function get(database: string, deadline: number, signal: AbortSignal) {
    for (;;) {
      const entry = entries.any(database);
      if (entry !== undefined && entries.isFresh(entry)) return entry.access;
      const fetched = await refresh(database, signal);
      if (fetched !== undefined) return fetched.access;
      if (now() + RETRY_MS > deadline)
        throw new AppError('waking', { detail: 'the control plane does not answer' });
      await pause(RETRY_MS, signal);
    }
  }

  async function getSince(database: string, began: number, signal: AbortSignal, paceMs: number) {
    for (;;) {
      const entry = entries.any(database);
      if (entry !== undefined && entry.askedAt >= began) return entry.access;
      const waitMs = (entry?.askedAt ?? -Infinity) + paceMs - now();
      if (waitMs > 0) {
        await pause(waitMs, signal);
        continue;
      }
      const fetched = await refresh(database, signal);
      // Of a silent api; else it may be the answer to a question of before.
      if (fetched === undefined || fetched === entry) return entry?.access;
    }
  }

  return { get, getSince };
}
