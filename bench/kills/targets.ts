/** Finding and killing what a schedule names. Nothing here asks first. */
import { findOccupants } from '../../dev/occupants.ts';
import { commandOf, identify, processesOfMain, signal } from '../../dev/process-table.ts';
import type { ProcessId } from '../../dev/process-table.ts';
import type { Kill, Target } from './schedule.ts';

const MAINS: Readonly<Partial<Record<Target, string>>> = {
  agent: 'host/main.js',
  api: 'api/main.js',
  proxy: 'proxy/main.js',
};

/** Backends have another title; the postmaster keeps the words it was started with. */
function postmastersIn(directories: string): readonly ProcessId[] {
  return findOccupants(directories)
    .filter(({ pid }) => commandOf(pid).includes('-D'))
    .flatMap(({ pid }) => identify(pid) ?? []);
}

export interface Places {
  /** PILOTLIGHT_WATCH of the stack. */
  readonly watch: string;
  /** Where the data directories lie, without symbolic links. */
  readonly directories: string;
}

/** Kills one process of that kind. @returns what was hit, or undefined if there was none. */
export function killOne({ target, which }: Kill, places: Places): string | undefined {
  const main = MAINS[target];
  const found =
    main === undefined ? postmastersIn(places.directories) : processesOfMain(main, places.watch);
  const victim = found[Math.floor(which * found.length)];
  return victim !== undefined && signal(victim, 'SIGKILL') ? `${target} ${victim.pid}` : undefined;
}
