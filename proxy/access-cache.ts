/**
 * Who may log in where, as the api said it last. An entry is fresh for two seconds, then asked for
 * again while an api answers, and served stale while none does. An older version never replaces a
 * newer one, so that a revocation is not taken back by a late answer.
 */
import { AppError } from '../model/errors.ts';
import { isDatabaseId } from '../model/ids.ts';
import { ACCESS_AGAIN_MS, ACCESS_FRESH_MS, ACCESS_STALE_MS_MAX } from '../model/limits.ts';
import type { AccessAnswer } from '../model/wire.ts';
import type { ApiClient } from './api-client.ts';
import { pause, unlessAborted } from './abort.ts';
import { createLru } from './lru.ts';

/** Entries of databases; of ids that do not exist, so that a flood of those evicts no real one. */
const ENTRIES_MAX = 50_000;
const UNKNOWN_MAX = 10_000;
/** A lookup that takes longer counts as silence. */
const CALL_MS_MAX = 2_000;
/** Between tries while no api answers and nothing is known. */
const RETRY_MS = 200;

interface Entry {
  /** undefined: the api says that there is no such database. */
  readonly access: AccessAnswer | undefined;
  /** When the answer was asked for: it may be as old as that. */
  readonly askedAt: number;
}

/** A look at one database's entry, begun with a login. */
export interface AccessLook {
  /**
   * What is remembered, however old: enough for the salt of the first answer. An id known not to
   * exist has an entry without access, so that it takes as long as one that does.
   */
  readonly remembered: { readonly access: AccessAnswer | undefined } | undefined;
  /**
   * What the proof is judged by: fresh, or stale if no api answers; undefined for no such database.
   * Fails with AppError `waking` if nothing is known and no api answers until the deadline, and with
   * the signal's reason when it is aborted.
   */
  readonly fresh: Promise<AccessAnswer | undefined>;
  /**
   * The entry, asked for since this look began: by it a proof is judged once more that a remembered
   * one refused, since a new password counts from the moment at which the api has said it. Asked for
   * at most once by each login, and for each database not more often than ACCESS_AGAIN_MS. While no
   * api answers, what `fresh` had.
   * Fails with the signal's reason when that is aborted.
   */
  readonly again: (signal: AbortSignal) => Promise<AccessAnswer | undefined>;
}

export interface AccessCache {
  /** Asks an api if the entry is not fresh; the caller need not wait for that at once. */
  readonly look: (database: string, deadline: number, signal: AbortSignal) => AccessLook;
  /** What is known without asking anyone. */
  readonly peek: (database: string) => AccessAnswer | undefined;
}

export interface AccessCacheOptions {
  readonly api: Pick<ApiClient, 'call' | 'answers'>;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** `bad_request`: a name that can be no id; the proxy and the api must not tell them apart. */
const isUnknown = (error: unknown): boolean =>
  error instanceof AppError &&
  ['database_not_found', 'database_deleted', 'bad_request', 'not_found'].includes(error.code);

/** What is remembered: two bounded maps, of which a database is in one at most. */
function createEntries(now: () => number) {
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

type Entries = ReturnType<typeof createEntries>;

/** Asking an api, and what to go by where none answers. */
function createAsking({ api }: AccessCacheOptions, entries: Entries, now: () => number) {
  const flightOf = createFlights(async (database) => {
    const askedAt = now();
    try {
      const path = `/v1/databases/${database}/access`;
      const access = await api.call<AccessAnswer>(path, { timeoutMs: CALL_MS_MAX });
      return entries.store(database, { access, askedAt });
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

export function createAccessCache(options: AccessCacheOptions): AccessCache {
  const { now = (): number => performance.now() } = options;
  const entries = createEntries(now);
  const refresh = createAsking(options, entries, now);

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

  async function getSince(database: string, began: number, signal: AbortSignal) {
    for (;;) {
      const entry = entries.any(database);
      if (entry !== undefined && entry.askedAt >= began) return entry.access;
      const waitMs = (entry?.askedAt ?? -Infinity) + ACCESS_AGAIN_MS - now();
      if (waitMs > 0) {
        await pause(waitMs, signal);
        continue;
      }
      const fetched = await refresh(database, signal);
      // Of a silent api; else it may be the answer to a question of before.
      if (fetched === undefined || fetched === entry) return entry?.access;
    }
  }

  return {
    look(database, deadline, signal) {
      const nothing = Promise.resolve(undefined);
      if (!isDatabaseId(database))
        return { remembered: { access: undefined }, fresh: nothing, again: () => nothing };
      const remembered = entries.any(database);
      const began = now();
      return {
        remembered,
        fresh: get(database, deadline, signal),
        again: (until) => getSince(database, began, until),
      };
    },
    peek: entries.peek,
  };
}
