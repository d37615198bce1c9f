/**
 * What proxies tell of sessions. Whose address is behind which backend, for people who ask what keeps a
 * database awake: Postgres itself sees a proxy's socket only. And what has ended, which goes into the
 * journal and so into the event feed, however long no api answers.
 */
import type { SessionsEnded, SessionSource, SessionSourcesAnswer } from '../model/wire.ts';
import type { AgentContext } from './context.ts';

/** More than any size has connections; whoever came first is forgotten first. */
const SOURCES_MAX = 2_000;
const PROXIES_MAX = 1_000;
/** Directory and size never change, or not before the next start. */
const IDENTITY_MS_MAX = 3_600_000;

export interface Sessions {
  readonly opened: (said: readonly SessionSource[]) => SessionSourcesAnswer;
  /**
   * Notes each batch once; twice only if the agent ends between that and its answer.
   * @throws AppError `unavailable` without the volume; then nothing has been noted.
   */
  readonly ended: (said: SessionsEnded) => Promise<void>;
}

/** Drops what was put in first. */
function bound(map: Map<unknown, unknown>, max: number): void {
  const [first] = map.keys();
  if (map.size > max) map.delete(first);
}

export function createSessions(
  context: Pick<AgentContext, 'slots' | 'identities' | 'journal'>,
): Sessions {
  const { slots, identities, journal } = context;
  /** The last batch of each proxy. */
  const batches = new Map<string, number>();

  return {
    opened(said) {
      for (const { database, epoch, pid, source } of said) {
        const incarnation = slots.byDatabase(database)?.incarnation;
        // It has ended meanwhile.
        if (incarnation?.epoch !== epoch) continue;
        const { sources } = incarnation;
        // A process id that is used once more counts as new.
        sources.delete(pid);
        sources.set(pid, source);
        bound(sources, SOURCES_MAX);
      }
      return { boot: slots.version().boot };
    },

    async ended({ proxy, batch, sessions }) {
      const identityOf = (database: string) => identities.recent(database, IDENTITY_MS_MAX);
      const found = await Promise.all(sessions.map(({ database }) => identityOf(database)));
      // The same call may have come twice meanwhile.
      if ((batches.get(proxy) ?? 0) >= batch) return journal.flushed();
      for (const [at, { database, epoch, cause, ...summary }] of sessions.entries()) {
        const identity = found[at];
        // Deleted, and its data are gone.
        if (identity === undefined) continue;
        const { directory, size } = identity;
        const of = { directory, database, epoch, size, cause };
        journal.append({ kind: 'sessions', ...of, sessions: summary });
      }
      batches.delete(proxy);
      batches.set(proxy, batch);
      bound(batches, PROXIES_MAX);
      // Whoever is answered forgets them.
      await journal.flushed();
    },
  };
}
