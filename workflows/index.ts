/**
 * What the bundle holds: each workflow under the name by which Temporal starts it. The one file that
 * only hands on, because the SDK takes a workflow's type from the name of an export.
 */
export { billingClose } from './billing-close.ts';
export { billingRollup } from './billing-rollup.ts';
export { databaseDeletion } from './database-deletion.ts';
export { fleetMigration } from './fleet-migration.ts';
export { keyRotation } from './key-rotation.ts';
export { poolReplenishment } from './pool-replenishment.ts';
