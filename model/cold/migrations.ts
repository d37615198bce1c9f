/** Fleet migrations: what one is told, and what it answers. */
import { MIGRATION_MS_MAX } from '../migration.ts';
import {
  BATCH_MAX,
  CONCURRENCY_MAX,
  WAIT_MS_MAX,
  firstWrong,
  isRunName,
  isTargets,
  isWhole,
  type Page,
  type Targets,
} from './items.ts';
import type { OperatorState } from './operator.ts';

/** Input of workflow `fleetMigration`, id `migrate:<name>`. Durations in milliseconds. */
export interface MigrationInput {
  readonly name: string;
  /** With files `<nnnn>_<name>.sql`, on every machine whose workers have role migrations. */
  readonly folder: string;
  readonly targets: Targets;
  /** So many databases first; then the bake. 0 = none. Default 1. */
  readonly canary?: number;
  /** Default 10 minutes. */
  readonly bake_ms?: number;
  /** Databases in a page. Default 50. */
  readonly batch?: number;
  /** Databases at once. Default 4. */
  readonly concurrency?: number;
  /** More failures than this, and the migration pauses itself. Default 0. */
  readonly failures_allowed?: number;
  /** For each lock. Default 2 s. */
  readonly lock_timeout_ms?: number;
  /** For each file. Default 1 minute. */
  readonly statement_timeout_ms?: number;
  /** How long a database waits that is not to be had now, at first. Default 1 s. */
  readonly retry_ms?: number;
  /** Of a run that has ended: begin again what failed in it. */
  readonly retry_failed?: boolean;
  readonly initiator?: string;
  /** Of the run that this one continues. */
  readonly carried?: MigrationCarried;
}

export interface MigrationCarried {
  readonly operator: OperatorState;
  readonly files: readonly MigrationFile[];
  /** Failures that an operator has accepted by a resume. */
  readonly forgiven: number;
}

export const MIGRATION_DEFAULTS = {
  canary: 1,
  bake_ms: 600_000,
  batch: 50,
  concurrency: 4,
  failures_allowed: 0,
  lock_timeout_ms: 2_000,
  statement_timeout_ms: 60_000,
  retry_ms: 1_000,
  retry_failed: false,
  initiator: 'operator',
} as const;

export type MigrationPlan = Omit<Required<MigrationInput>, 'carried'>;

/** @returns the name of the first field that is wrong, or undefined. */
export const wrongMigration = (plan: MigrationPlan): string | undefined =>
  firstWrong(
    { ...plan },
    {
      name: isRunName,
      folder: (v) => typeof v === 'string' && v !== '',
      targets: isTargets,
      canary: (v) => isWhole(v, 0, BATCH_MAX),
      bake_ms: (v) => isWhole(v, 0, WAIT_MS_MAX),
      batch: (v) => isWhole(v, 1, BATCH_MAX),
      concurrency: (v) => isWhole(v, 1, CONCURRENCY_MAX),
      failures_allowed: (v) => isWhole(v, 0, Number.MAX_SAFE_INTEGER),
      lock_timeout_ms: (v) => isWhole(v, 1, MIGRATION_MS_MAX),
      statement_timeout_ms: (v) => isWhole(v, 1, MIGRATION_MS_MAX),
      retry_ms: (v) => isWhole(v, 1, WAIT_MS_MAX),
    },
  );

export const MIGRATION_FILES_MAX = 100;

/** A file as it was when the run was planned; its text never leaves the worker and the agent. */
export interface MigrationFile {
  readonly name: string;
  /** SHA-256 in hex. */
  readonly checksum: string;
}

/** What the planning answers. */
export interface MigrationPlanned {
  readonly files: readonly MigrationFile[];
  readonly total: number;
}

/** Input of activity `migrationPage`. */
export interface MigrationPage extends Page {
  readonly folder: string;
  readonly files: readonly MigrationFile[];
  readonly lock_timeout_ms: number;
  readonly statement_timeout_ms: number;
}

/** Result of workflow `fleetMigration`. What became of which database: table `run_item`. */
export interface MigrationResult {
  readonly outcome: 'done' | 'aborted';
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
}

/** SQLSTATEs of what goes by itself: broken connections, no room, lost races, locks, shutdowns. */
const PASSING = /^(08|53|57P|40|55P03|25006)/;

export const isPassing = (sqlstate: unknown): boolean =>
  typeof sqlstate === 'string' && PASSING.test(sqlstate);

/** A passing failure is tried so often while the database is held, and then counts. */
export const PASSING_TRIES_MAX = 4;
