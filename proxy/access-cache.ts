/**
 * Who may log in where. Of a database that runs its host agent says it with every login, since SQL may
 * have changed it; else an api: its answer is fresh for two seconds, then asked for again while one
 * answers, and served stale while none does. An older version never replaces a newer one, so that a
 * revocation is not taken back by a late answer.
 */
import { isDatabaseId } from '../model/ids.ts';
import { ACCESS_AGAIN_MS } from '../model/limits.ts';
import type { AccessAnswer } from '../model/wire.ts';
import { createEntries, createGetters, type Entry } from './access-entries.ts';
import type { ApiClient } from './api-client.ts';
import type { HostAccess } from './host-access.ts';
import type { Route } from './wake.ts';

/** A look at one database's entry, begun with a login. */
export interface AccessLook {
  /**
   * Enough for the salt of the first answer: what the proof is judged by, or what is remembered, however
   * old, where its host is silent. Fails as `fresh` does.
   */
  readonly salt: Promise<AccessAnswer | undefined>;
  /**
   * What the proof is judged by: fresh, or stale if nobody answers; undefined for no such database.
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
  readonly host: Pick<HostAccess, 'ask' | 'mayDiffer'>;
  /** Told when a host says that this was the last epoch and has ended. */
  readonly onAsleep: (database: string, epoch: number) => void;
  /** Where this proxy has reached the database last, whether it runs by now or sleeps. */
  readonly routeOf: (database: string) => Route | undefined;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const newerOf = (a: Route | undefined, b: Route | undefined): Route | undefined =>
  (a?.epoch ?? 0) < (b?.epoch ?? 0) ? b : a;

/**
 * It sleeps, and SQL can not have changed what is remembered: what was said of this run or the one before
 * it, and no mark where either ran. Only an api can then, for which two seconds are soon enough.
 */
function isAsItWas(
  host: Pick<HostAccess, 'mayDiffer'>,
  known: AccessAnswer | undefined,
  last: Route | undefined,
): known is AccessAnswer {
  if (known?.at === undefined || last === undefined || last.epoch > known.at.epoch + 1)
    return false;
  const { database, version, at } = known;
  return ![at, last].some((route) => host.mayDiffer(database, route, version));
}

export function createAccessCache(options: AccessCacheOptions): AccessCache {
  const { now = (): number => performance.now() } = options;
  const entries = createEntries(now);
  const { get, getSince } = createGetters(options.api, entries, now);

  async function askHost(database: string, route: Route): Promise<Entry | 'over' | 'silent'> {
    const askedAt = now();
    const said = await options.host.ask(database, route);
    if (typeof said === 'string') return said;
    if (!said.runs) options.onAsleep(database, route.epoch);
    return entries.store(database, { access: { ...said.access, at: route }, askedAt });
  }

  interface Asked {
    readonly route: Route | undefined;
    readonly began: number;
    readonly said: Entry | 'over' | 'silent' | undefined;
  }

  async function getFresh(
    database: string,
    { route: asked, began, said }: Asked,
    deadline: number,
    signal: AbortSignal,
  ): Promise<AccessAnswer | undefined> {
    if (typeof said === 'object') return said.access;
    // What was asked for while it ran says nothing of what SQL has said in that run since.
    const since = said === 'over' ? await getSince(database, began, signal, 0) : undefined;
    const access = since ?? (await get(database, deadline, signal));
    const route = access?.at;
    // Woken by somebody else: what SQL has said there is not known here yet.
    if (route === undefined || route.epoch <= (asked?.epoch ?? 0)) return access;
    const there = await askHost(database, route);
    return typeof there === 'object' ? there.access : access;
  }

  return {
    look(database, deadline, signal) {
      const nothing = Promise.resolve(undefined);
      if (!isDatabaseId(database)) return { salt: nothing, fresh: nothing, again: () => nothing };
      const remembered = entries.any(database);
      const began = now();
      // Where it runs or ran last, as far as anybody here knows.
      const route = newerOf(options.routeOf(database), remembered?.access?.at);
      const known = remembered?.access;
      const isFresh =
        remembered !== undefined &&
        entries.isFresh(remembered) &&
        isAsItWas(options.host, known, route);
      if (isFresh && route !== undefined) options.onAsleep(database, route.epoch);
      const host = route === undefined || isFresh ? nothing : askHost(database, route);
      const fresh = isFresh
        ? Promise.resolve(known)
        : host.then((said) => getFresh(database, { route, began, said }, deadline, signal));
      const salt = host.then((said) => (said === 'silent' && known !== undefined ? known : fresh));
      // Who does not come as far as to need them is told nothing.
      for (const promise of [fresh, salt]) promise.catch(() => undefined);
      return {
        salt,
        fresh,
        again: (until) => getSince(database, began, until, ACCESS_AGAIN_MS),
      };
    },
    peek: entries.peek,
  };
}
