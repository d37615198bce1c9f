/** Role deletion: the end of deleted databases' data. Dispatch starts it by their events. */
import { createDeletionActivities } from '../../activities/deletion.ts';
import { QUEUES } from '../../model/cold/names.ts';
import type { RoleDefinition } from '../registry.ts';

export const deletionRole: RoleDefinition = {
  role: 'deletion',
  queue: QUEUES.deletion,
  activities: createDeletionActivities,
  maxConcurrentActivities: 4,
};
