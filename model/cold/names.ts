/**
 * The names of the cold plane as Temporal and its operators see them. They are in histories,
 * schedules and pasted commands, so they are never renamed.
 */

export const NAMESPACE = 'fleet';

/** Role of a worker → its task queue. A workflow and its activities share one queue. */
export const QUEUES = {
  pool: 'cold-pool',
  billing: 'cold-billing',
  migrations: 'cold-migrations',
  keys: 'cold-keys',
  deletion: 'cold-deletion',
  dispatch: 'cold-dispatch',
} as const;

export type Role = keyof typeof QUEUES;

export const ROLES = Object.keys(QUEUES) as readonly Role[];

/** Workflow type → the role that runs it. */
export const WORKFLOWS = {
  poolReplenishment: 'pool',
  billingRollup: 'billing',
  billingClose: 'billing',
  fleetMigration: 'migrations',
  keyRotation: 'keys',
  databaseDeletion: 'deletion',
} as const satisfies Record<string, Role>;

export type WorkflowType = keyof typeof WORKFLOWS;

export const queueOf = (type: WorkflowType): string => QUEUES[WORKFLOWS[type]];

/** Workflow ids: the id is the lock, so that a second start of the same thing joins or is refused. */
export const workflowId = {
  poolReplenishment: (size: string): string => `pool:${size}`,
  /** @param hour ISO 8601 start of the hour. */
  billingRollup: (hour: string): string => `billing-rollup:${hour}`,
  /** @param month yyyy-mm */
  billingClose: (month: string): string => `billing-close:${month}`,
  fleetMigration: (name: string): string => `migrate:${name}`,
  keyRotation: (name: string): string => `rotate:${name}`,
  databaseDeletion: (database: string): string => `delete:${database}`,
} as const satisfies Record<WorkflowType, (of: string) => string>;

/** Updates that every workflow with operators takes; a workflow's own are beside its input. */
export const UPDATES = {
  pause: 'pause',
  resume: 'resume',
  abort: 'abort',
  setConcurrency: 'setConcurrency',
} as const;

/** A query. */
export const PROGRESS = 'progress';

/** Search attributes with their types, in the words of Temporal's typed keys. No secrets in them. */
export const SEARCH_ATTRIBUTES = {
  /** The workflow's type. */
  FleetVerb: 'KEYWORD',
  FleetPhase: 'KEYWORD',
  FleetDatabaseId: 'KEYWORD',
  FleetTenantId: 'KEYWORD',
  /** The name of the run: of a migration, of a rotation, the hour or month of a billing run. */
  FleetRunId: 'KEYWORD',
  /** Who started it: a person, or `schedule:<id>`, or `dispatch`. */
  FleetInitiator: 'KEYWORD',
  FleetFailures: 'INT',
} as const;

export type SearchAttributeName = keyof typeof SEARCH_ATTRIBUTES;
/** Values to set; those that are not named stay. */
export type SearchAttributeValues = {
  readonly [N in SearchAttributeName]?: (typeof SEARCH_ATTRIBUTES)[N] extends 'INT'
    ? number
    : string;
};
