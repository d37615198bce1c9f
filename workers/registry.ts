/** Which role runs what. A new role is a file in workers/roles/ and a line here. */
import type { Registry } from 'prom-client';
import type { Activities } from '../activities/failure.ts';
import { QUEUES, ROLES, type Role } from '../model/cold/names.ts';
import type { WorkerDeps } from './deps.ts';
import { billingRole } from './roles/billing.ts';
import { deletionRole } from './roles/deletion.ts';
import { dispatchRole } from './roles/dispatch.ts';
import { keysRole } from './roles/keys.ts';
import { migrationsRole } from './roles/migrations.ts';
import { poolRole } from './roles/pool.ts';
import type { FleetSchedule } from './schedules.ts';

/** Something besides workflows and activities that a role does as long as its process lives. */
export interface RoleLoop {
  /** Ends it and waits until it has ended. */
  readonly stop: () => Promise<void>;
}

export interface RoleDefinition {
  readonly role: Role;
  /** QUEUES[role] */
  readonly queue: string;
  /** Plain factories: workers/main.ts wraps what they make in `withFailures`. */
  readonly activities: (deps: WorkerDeps) => Activities;
  /** At most the connections of the role's pool that its activities may take. */
  readonly maxConcurrentActivities: number;
  /** What the workers of this role start by the clock. */
  readonly schedules?: readonly FleetSchedule[];
  /**
   * Loops that are no workflows (relay, dispatch). Called at the start of the process: Temporal may
   * not be there yet, and they go on when it is gone.
   */
  readonly loops?: (deps: WorkerDeps, registry: Registry) => readonly RoleLoop[];
}

const DEFINITIONS: readonly RoleDefinition[] = [
  poolRole,
  billingRole,
  migrationsRole,
  keysRole,
  deletionRole,
  dispatchRole,
];

/** The definitions of these roles. A role without one polls workflows only. */
export const definitionsOf = (roles: readonly Role[]): readonly RoleDefinition[] =>
  roles.map(
    (role) =>
      DEFINITIONS.find((definition) => definition.role === role) ?? {
        role,
        queue: QUEUES[role],
        activities: () => ({}),
        maxConcurrentActivities: 1,
      },
  );

/** Ids of every schedule that a release knows, whoever looks after it. */
export const knownSchedules = (): readonly string[] =>
  DEFINITIONS.flatMap(({ schedules = [] }) => schedules.map(({ id }) => id));

/** @returns undefined if a word is neither a role nor `all`. */
export function rolesOf(words: readonly string[]): readonly Role[] | undefined {
  if (words.includes('all')) return ROLES;
  const roles = ROLES.filter((role) => words.includes(role));
  return roles.length > 0 && roles.length === new Set(words).size ? roles : undefined;
}
