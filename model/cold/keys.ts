/** Rotation of tenants' passwords: what one is told, and what it answers. */
import {
  FLEET_RUN_CHECKS,
  FLEET_RUN_DEFAULTS,
  WAIT_MS_MAX,
  firstWrong,
  isWhole,
  type FleetRunInput,
  type Page,
} from './items.ts';
import { OWNER_ROLE } from '../ids.ts';
import { isTenantRole } from '../tenant-role.ts';
import type { OperatorState } from './operator.ts';

/**
 * Input of workflow `keyRotation`, id `rotate:<name>`; under that name the console opens the new
 * passwords. A page has 100 databases by default. Durations in milliseconds.
 */
export interface RotationInput extends FleetRunInput {
  /** Default `owner`. */
  readonly role?: string;
  /** How long the old passwords go on working beside the new ones. Default 7 days. */
  readonly grace_ms?: number;
  /** No grace: the old passwords end as soon as the new ones are sealed. Default false. */
  readonly emergency?: boolean;
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
  ...FLEET_RUN_DEFAULTS,
  role: OWNER_ROLE,
  grace_ms: 7 * 24 * 3_600_000,
  batch: 100,
  emergency: false,
} as const;

export type RotationPlan = Omit<Required<RotationInput>, 'carried'>;

/** @returns the name of the first field that is wrong, or undefined. */
export const wrongRotation = (plan: RotationPlan): string | undefined =>
  firstWrong(
    { ...plan },
    {
      ...FLEET_RUN_CHECKS,
      role: (v) => typeof v === 'string' && isTenantRole(v),
      grace_ms: (v) => isWhole(v, 0, WAIT_MS_MAX),
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
