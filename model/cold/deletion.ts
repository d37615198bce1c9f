/** Deletion of a database's data: what it is told, sees and answers. */
import { isDatabaseId } from '../ids.ts';
import { WAIT_MS_MAX, firstWrong, isWhole } from './items.ts';
import type { PurgeAnswer } from '../wire.ts';

/** Input of workflow `databaseDeletion`, id `delete:<database>`. */
export interface DeletionInput {
  readonly database: string;
  /** From the tombstone to the purge, milliseconds. Default 7 days. */
  readonly retention_ms?: number;
  readonly initiator?: string;
}

export const DELETION_DEFAULTS = {
  retention_ms: 7 * 24 * 3_600_000,
  initiator: 'operator',
} as const;

export type DeletionPlan = Required<DeletionInput>;

/** @returns the name of the first field that is wrong, or undefined. */
export const wrongDeletion = (plan: DeletionPlan): string | undefined =>
  firstWrong(
    { ...plan },
    {
      database: (v) => typeof v === 'string' && isDatabaseId(v),
      retention_ms: (v) => isWhole(v, 0, WAIT_MS_MAX),
    },
  );

/** What the api says of the database. */
export interface DeletionLook {
  /** Milliseconds since the epoch; null: it lives. */
  readonly deleted_ms: number | null;
}

/** Update `undelete`: takes the tombstone back, as long as the data are there. */
export const UNDELETE = 'undelete';

/** Result of workflow `databaseDeletion`. */
export type DeletionResult =
  | { readonly outcome: 'undeleted' | 'aborted' }
  | ({ readonly outcome: 'purged'; readonly host: string } & PurgeAnswer);
