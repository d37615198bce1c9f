/**
 * Counts from outside how long each incarnation runs: by the processes in /proc, without a word from
 * agents, events or tables.
 */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { findOccupants } from '../../dev/occupants.ts';

const LOOK_MS = 25;

/** Of one incarnation, milliseconds since the epoch; the truth lies within a look of either end. */
export interface Seen {
  readonly directory: string;
  readonly epoch: number;
  readonly from_ms: number;
  readonly to_ms: number;
}

export interface Observer {
  /** What has ended by now, or runs. */
  readonly seen: () => readonly Seen[];
  readonly stop: () => void;
}

/** `<run folder>/<directory>.<epoch>/log` */
const epochOf = (incarnation: string): number =>
  Number(/\.(\d+)\/log$/.exec(incarnation)?.[1] ?? NaN);

export function startObserver(volume: string): Observer {
  const directories = realpathSync(join(volume, 'directories'));
  const seen = new Map<string, Seen>();
  function look(): void {
    const now = Date.now();
    for (const { directory, incarnation } of findOccupants(directories)) {
      const epoch = epochOf(incarnation);
      if (Number.isNaN(epoch)) continue;
      const key = `${directory}.${epoch}`;
      seen.set(key, { directory, epoch, from_ms: seen.get(key)?.from_ms ?? now, to_ms: now });
    }
  }
  const timer = setInterval(look, LOOK_MS);
  return { seen: () => [...seen.values()], stop: () => clearInterval(timer) };
}
