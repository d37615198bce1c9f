/** Role migrations: SQL files over the fleet. Its workers need the folders of the migrations. */
import { createMigrationActivities } from '../../activities/migrations.ts';
import { QUEUES } from '../../model/cold/names.ts';
import type { RoleDefinition } from '../registry.ts';

export const migrationsRole: RoleDefinition = {
  role: 'migrations',
  queue: QUEUES.migrations,
  activities: createMigrationActivities,
  maxConcurrentActivities: 4,
};
