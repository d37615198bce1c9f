/**
 * (boot, version): how old an answer of an agent is. `boot` counts the agent's starts, durably;
 * `version` counts its changes since that start.
 */
export interface Version {
  readonly boot: number;
  readonly version: number;
}

/** True if `a` was said after `b`. Equal is not newer: a sync that repeats itself is dropped whole. */
export function isNewer(a: Version, b: Version): boolean {
  return a.boot > b.boot || (a.boot === b.boot && a.version > b.version);
}
