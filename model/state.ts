/**
 * The states of a database in the index (hot Postgres). What may follow what is the table of
 * `transitions.ts`; spec with invariants: docs/spec.md.
 */
export const STATES = [
  'suspended',
  'starting',
  'running',
  'suspending',
  'broken',
  'deleting',
] as const;
export type DatabaseState = (typeof STATES)[number];

/** Failed wakes in a row after which a database is parked as `broken`. */
export const BROKEN_AFTER_FAILURES = 5;
/** Back-off between the wakes of a broken database: 1 min doubling to 1 h; the last step repeats. */
export const BROKEN_BACKOFF_STEPS_MS = [1, 2, 4, 8, 16, 32, 60].map((minutes) => minutes * 60_000);
