/** Fleet migrations: what one is told, and what it answers. */
import { MIGRATION_MS_MAX } from '../migration.ts';
import {
  BATCH_MAX,
  FLEET_RUN_CHECKS,
  FLEET_RUN_DEFAULTS,
  WAIT_MS_MAX,
  firstWrong,
  isWhole,
  type FleetRunInput,
  type Page,
} from './items.ts';
import type { OperatorState } from './operator.ts';

/**
 * Input of workflow `fleetMigration`, id `migrate:<name>`. A page has 50 databases by default.
 * Durations in milliseconds.
 */
export interface MigrationInput extends FleetRunInput {
  /** With files `<nnnn>_<name>.sql`, on every machine whose workers have role migrations. */
  readonly folder: string;
  /** So many databases first; then the bake. 0 = none. Default 1. */
  readonly canary?: number;
  /** Default 10 minutes. */
  readonly bake_ms?: number;
  /** For each lock. Default 2 s. */
  readonly lock_timeout_ms?: number;
  /** For each file. Default 1 minute. */
  readonly statement_timeout_ms?: number;
  /** Of a run that has ended: begin again what failed in it. */
  readonly retry_failed?: boolean;
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
  ...FLEET_RUN_DEFAULTS,
  canary: 1,
  bake_ms: 600_000,
  batch: 50,
  lock_timeout_ms: 2_000,
  statement_timeout_ms: 60_000,
  retry_failed: false,
} as const;

export type MigrationPlan = Omit<Required<MigrationInput>, 'carried'>;

/** @returns the name of the first field that is wrong, or undefined. */
export const wrongMigration = (plan: MigrationPlan): string | undefined =>
  firstWrong(
    { ...plan },
    {
      ...FLEET_RUN_CHECKS,
      folder: (v) => typeof v === 'string' && v !== '',
      canary: (v) => isWhole(v, 0, BATCH_MAX),
      bake_ms: (v) => isWhole(v, 0, WAIT_MS_MAX),
      lock_timeout_ms: (v) => isWhole(v, 1, MIGRATION_MS_MAX),
      statement_timeout_ms: (v) => isWhole(v, 1, MIGRATION_MS_MAX),
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
