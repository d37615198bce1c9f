/**
 * What operations over many databases (migrations, rotations) have in common: a run with an item per
 * database in cold Postgres, worked off page by page (activities/items.ts, workflows/pages.ts).
 */

/** `all` that live when the run is planned, or these. */
export type Targets = 'all' | readonly string[];

/** Ids in an input: a payload stays small. For more, label the databases and list them in parts. */
export const TARGETS_MAX = 1_000;

/** What every run over many databases takes, beside what it is to do. Durations in milliseconds. */
export interface FleetRunInput {
  /** The run's: the workflow's id has it. */
  readonly name: string;
  readonly targets: Targets;
  /** Databases in a page. */
  readonly batch?: number;
  /** Databases at once. Default 4. */
  readonly concurrency?: number;
  /** More failures than this, and the run pauses itself. Default 0. */
  readonly failures_allowed?: number;
  /** How long a database waits that is not to be had now, at first. Default 1 s. */
  readonly retry_ms?: number;
  readonly initiator?: string;
}

export const FLEET_RUN_DEFAULTS = {
  concurrency: 4,
  failures_allowed: 0,
  retry_ms: 1_000,
  initiator: 'operator',
} as const;

/** One page: an activity's input beside what is to be done to each item. */
export interface Page {
  /** `migrate:<name>`, … */
  readonly run: string;
  /** At most so many items. */
  readonly limit: number;
  readonly concurrency: number;
  /** No new item is begun once more than this have failed in this page. */
  readonly failures_left: number;
  /** How long an item waits that is not to be had now, at first; doubled with every attempt. */
  readonly retry_ms: number;
}

/** What a page answers: how many it began, and how the run stands. */
export interface Paged {
  readonly begun: number;
  readonly total: number;
  /** Not begun, deferred, or begun by a page that was ended. */
  readonly left: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  /** Until the first item that was deferred is due; 0 if one can be begun now. */
  readonly due_in_ms: number;
}

/** Update `retryFailed` of a run: what failed is begun again. It answers how many. */
export const RETRY_FAILED = 'retryFailed';

/** Names of runs: they stand in workflow ids, in paths and in commands. */
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

export const isRunName = (value: unknown): value is string =>
  typeof value === 'string' && RUN_NAME.test(value);

type Fields = Readonly<Record<string, unknown>>;

/** A whole number from `min` to `max`. */
export const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;

const isTargets = (value: unknown): value is Targets =>
  value === 'all' ||
  (Array.isArray(value) &&
    value.length > 0 &&
    value.length <= TARGETS_MAX &&
    value.every((id) => typeof id === 'string'));

/** @returns the first field that is not as its check wants it, or undefined. */
export const firstWrong = (
  input: Fields,
  checks: Readonly<Record<string, (value: unknown) => boolean>>,
): string | undefined => Object.entries(checks).find(([field, ok]) => !ok(input[field]))?.[0];

export const CONCURRENCY_MAX = 64;
/** Items in one page: its activity ends within minutes, so that operators are heard. */
export const BATCH_MAX = 500;
/** A year, for everything that waits. */
export const WAIT_MS_MAX = 366 * 24 * 3_600_000;

/** For `firstWrong` of every plan: what `FleetRunInput` must be. */
export const FLEET_RUN_CHECKS = {
  name: isRunName,
  targets: isTargets,
  batch: (v: unknown) => isWhole(v, 1, BATCH_MAX),
  concurrency: (v: unknown) => isWhole(v, 1, CONCURRENCY_MAX),
  failures_allowed: (v: unknown) => isWhole(v, 0, Number.MAX_SAFE_INTEGER),
  retry_ms: (v: unknown) => isWhole(v, 1, WAIT_MS_MAX),
} as const;

const DEFER_DOUBLINGS_MAX = 5;

/** How long an item is deferred after so many attempts: `retryMs`, doubling up to 32 times that. */
export const deferMs = (retryMs: number, attempt: number): number =>
  retryMs * 2 ** Math.min(Math.max(attempt - 1, 0), DEFER_DOUBLINGS_MAX);
