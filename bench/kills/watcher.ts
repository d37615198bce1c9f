/**
 * Looks all the time who works on which data directory. Two logs on one directory at one moment are two
 * incarnations: what the volume's lock is there to prevent.
 */
import { findOccupants, type Occupant } from '../../dev/occupants.ts';

const LOOK_MS = 25;

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
