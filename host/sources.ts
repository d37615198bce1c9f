/**
 * Whose address is behind which backend: Postgres itself sees a proxy's socket only. For people who ask
 * what keeps a database awake; nothing is decided by it.
 */
import type { SessionSource, SessionSourcesAnswer } from '../model/wire.ts';
import type { Slots } from './slots.ts';

/** More than any size has connections; whoever came first is forgotten first. */
const SOURCES_MAX = 2_000;

export function noteSources(
  slots: Pick<Slots, 'byDatabase' | 'version'>,
  said: readonly SessionSource[],
): SessionSourcesAnswer {
  for (const { database, epoch, pid, source } of said) {
    const incarnation = slots.byDatabase(database)?.incarnation;
    // It has ended meanwhile.
    if (incarnation?.epoch !== epoch) continue;
    const { sources } = incarnation;
    // A process id that is used once more counts as new.
    sources.delete(pid);
    sources.set(pid, source);
    const [first] = sources.keys();
    if (sources.size > SOURCES_MAX && first !== undefined) sources.delete(first);
  }
  return { boot: slots.version().boot };
}
