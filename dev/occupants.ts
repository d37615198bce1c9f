/**
 * Who works on which data directory, as seen from outside. Every process of an incarnation has the
 * incarnation's log as its standard error, `<run folder>/<directory>.<epoch>/log`; whoever has a
 * directory as its working folder is on it.
 */
import { readdirSync, readlinkSync } from 'node:fs';

export interface Occupant {
  readonly pid: number;
  readonly directory: string;
  /** The log that names its incarnation. */
  readonly incarnation: string;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path).replace(/ \(deleted\)$/, '');
  } catch {
    return undefined;
  }
}

/**
 * Processes whose working folder is a data directory below `directories`, a path without symbolic links.
 * @param run only those of the host with this run folder.
 */
export function findOccupants(directories: string, run = ''): readonly Occupant[] {
  const inside = `${directories}/`;
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    const cwd = Number.isInteger(pid) ? linkOf(`/proc/${pid}/cwd`) : undefined;
    if (cwd === undefined || !cwd.startsWith(inside)) return [];
    // Gone between two looks, or on its way out: its files, and with them the lock, are closed.
    const incarnation = linkOf(`/proc/${pid}/fd/2`);
    if (incarnation === undefined || incarnation === '/dev/null') return [];
    if (run !== '' && !incarnation.startsWith(`${run}/`)) return [];
    return [{ pid, directory: cwd.slice(inside.length).split('/')[0] ?? '', incarnation }];
  });
}
