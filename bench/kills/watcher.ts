/**
 * Looks from outside at who works on which data directory. Every process of an incarnation has the
 * incarnation's log as its standard error, `<run folder>/<directory>.<epoch>/log`; whoever has a
 * directory as its working folder is on it. Two logs on one directory at one moment are two
 * incarnations: what the volume's lock is there to prevent.
 */
import { readdirSync, readlinkSync } from 'node:fs';

const LOOK_MS = 25;

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

/** Processes whose working folder is a data directory below `directories`. */
export function findOccupants(directories: string): readonly Occupant[] {
  const inside = `${directories}/`;
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    const cwd = Number.isInteger(pid) ? linkOf(`/proc/${pid}/cwd`) : undefined;
    if (cwd === undefined || !cwd.startsWith(inside)) return [];
    // Gone between two looks, or on its way out: its files, and with them the lock, are closed.
    const incarnation = linkOf(`/proc/${pid}/fd/2`);
    if (incarnation === undefined || incarnation === '/dev/null') return [];
    return [{ pid, directory: cwd.slice(inside.length).split('/')[0] ?? '', incarnation }];
  });
}

/** Directories with processes of more than one incarnation. */
export function doublesIn(occupants: readonly Occupant[]): readonly string[] {
  const seen = new Map<string, Set<string>>();
  for (const { directory, incarnation } of occupants) {
    const known = seen.get(directory) ?? new Set();
    seen.set(directory, known.add(incarnation));
  }
  return [...seen].filter(([, incarnations]) => incarnations.size > 1).map(([id]) => id);
}

export interface Watcher {
  /** Moments at which a directory had two incarnations. */
  readonly doubles: () => number;
  readonly looks: () => number;
  readonly stop: () => void;
}

/**
 * @param found called at the first moment of each directory.
 * @param looked called after every look, with all that was seen.
 */
export function startWatcher(
  directories: string,
  found: (occupants: readonly Occupant[]) => void,
  looked: (occupants: readonly Occupant[]) => void = () => undefined,
): Watcher {
  let doubles = 0;
  let looks = 0;
  const told = new Set<string>();
  const timer = setInterval(() => {
    const occupants = findOccupants(directories);
    looks += 1;
    looked(occupants);
    for (const directory of doublesIn(occupants)) {
      doubles += 1;
      if (told.has(directory)) continue;
      told.add(directory);
      found(occupants.filter((occupant) => occupant.directory === directory));
    }
  }, LOOK_MS);
  return { doubles: () => doubles, looks: () => looks, stop: () => clearInterval(timer) };
}
