/** Rotation of tenants' passwords: what one is told, and what it answers. */
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
import { OWNER_ROLE, isTenantRole } from '../ids.ts';
import type { OperatorState } from './operator.ts';

/** Input of workflow `keyRotation`, id `rotate:<name>`. Durations in milliseconds. */
export interface RotationInput {
  /** The rotation's name, under which the console opens the new passwords. */
  readonly name: string;
  readonly targets: Targets;
  /** Default `owner`. */
  readonly role?: string;
  /** How long the old passwords go on working beside the new ones. Default 7 days. */
  readonly grace_ms?: number;
  /** Databases in a page. Default 100. */
  readonly batch?: number;
  /** Databases at once. Default 4. */
  readonly concurrency?: number;
  /** More failures than this, and the rotation pauses itself. Default 0. */
  readonly failures_allowed?: number;
  /** How long a database waits that is not to be had now, at first. Default 1 s. */
  readonly retry_ms?: number;
  /** No grace: the old passwords end as soon as the new ones are sealed. Default false. */
  readonly emergency?: boolean;
  readonly initiator?: string;
  /** Of the run that this one continues. */
  readonly carried?: RotationCarried;
}

export interface RotationCarried {
  readonly operator: OperatorState;
  readonly stage: RotationStage;
  readonly forgiven: number;
  /** When the grace ends, milliseconds since the epoch; null before it. */
  readonly revoke_at_ms: number | null;
}

export type RotationStage = 'add' | 'grace' | 'revoke';

export const ROTATION_DEFAULTS = {
  role: OWNER_ROLE,
  grace_ms: 7 * 24 * 3_600_000,
  batch: 100,
  concurrency: 4,
  failures_allowed: 0,
  retry_ms: 1_000,
  emergency: false,
  initiator: 'operator',
} as const;

export type RotationPlan = Omit<Required<RotationInput>, 'carried'>;

/** @returns the name of the first field that is wrong, or undefined. */
export const wrongRotation = (plan: RotationPlan): string | undefined =>
  firstWrong(
    { ...plan },
    {
      name: isRunName,
      targets: isTargets,
      role: (v) => typeof v === 'string' && isTenantRole(v),
      grace_ms: (v) => isWhole(v, 0, WAIT_MS_MAX),
      batch: (v) => isWhole(v, 1, BATCH_MAX),
      concurrency: (v) => isWhole(v, 1, CONCURRENCY_MAX),
      failures_allowed: (v) => isWhole(v, 0, Number.MAX_SAFE_INTEGER),
      retry_ms: (v) => isWhole(v, 1, WAIT_MS_MAX),
      emergency: (v) => typeof v === 'boolean',
    },
  );

/** Update `emergency`: the old passwords end now, without the rest of the grace. */
export const EMERGENCY = 'emergency';

/** Runs of a rotation: the adding has a row per database, and so has the revoking. */
export const revokeRun = (run: string): string => `${run}:revoke`;

/** Input of activities `rotationAdd` and `rotationRevoke`. */
export interface RotationPage extends Page {
  readonly rotation: string;
  readonly role: string;
}

/** Result of workflow `keyRotation`. */
export interface RotationResult {
  readonly outcome: 'done' | 'aborted';
  readonly total: number;
  /** Databases with a new password, and with the old one revoked. */
  readonly added: number;
  readonly revoked: number;
  readonly failed: number;
  readonly skipped: number;
}
