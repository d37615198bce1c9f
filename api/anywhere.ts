/** What the verbs do while the index is away: the hosts are asked in turn, and the volume decides. */
import { AppError, codeOf } from '../model/errors.ts';
import type { Parts } from './context.ts';

/** Hosts that are asked, besides whoever they name as the holder. */
const HOSTS = 4;

/** The index is away, or has not been told yet of what was made while it was. */
const UNKNOWING = ['unavailable', 'database_not_found'];

/** What `work` comes to; if the index does not know, what `instead` does: the volume is asked. */
export function orAway<T, A>(work: Promise<T>, instead: () => A | Promise<A>): Promise<T | A> {
  return work.catch((error: unknown) => {
    if (!UNKNOWING.includes(codeOf(error))) throw error;
    return instead();
  });
}

/**
 * Asks live hosts, in random order, until one has done it.
 * @param isFinal of an error: no other host would do better.
 * @throws the last error.
 */
export async function anyHost<T>(
  { fleet, now }: Parts,
  ask: (host: string) => Promise<T>,
  isFinal: (code: string) => boolean,
): Promise<T> {
  const live = fleet.liveHosts(now());
  const hosts = live.slice(0, HOSTS);
  const asked = new Set<string>();
  let last: unknown = new AppError('unavailable', { detail: 'no host answers' });
  for (let host = hosts.shift(); host !== undefined; host = hosts.shift()) {
    if (asked.has(host)) continue;
    asked.add(host);
    try {
      return await ask(host);
    } catch (error) {
      if (isFinal(codeOf(error))) throw error;
      last = error;
      // Whoever holds it starts it, or says where it runs; of one that is silent it comes free.
      const holder = String(error instanceof AppError ? error.data?.['host'] : '');
      if (live.includes(holder)) hosts.unshift(holder);
    }
  }
  throw last;
}
