/** Role keys: rotation of tenants' passwords. */
import { createKeyActivities } from '../../activities/keys.ts';
import { QUEUES } from '../../model/cold/names.ts';
import type { RoleDefinition } from '../registry.ts';

export const keysRole: RoleDefinition = {
  role: 'keys',
  queue: QUEUES.keys,
  activities: (deps) =>
    createKeyActivities({ ...deps, sealingKey: deps.config.PILOTLIGHT_SEALING_PUBLIC_KEY }),
  maxConcurrentActivities: 4,
};
