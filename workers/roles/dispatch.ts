/** Role dispatch: the relay, and the starts of workflows that events ask for. No workflow of its own. */
import { QUEUES } from '../../model/cold/names.ts';
import { startDispatch } from '../dispatch.ts';
import type { RoleDefinition } from '../registry.ts';
import { startRelay } from '../relay.ts';

export const dispatchRole: RoleDefinition = {
  role: 'dispatch',
  queue: QUEUES.dispatch,
  activities: () => ({}),
  // A connection for each of the two loops.
  maxConcurrentActivities: 2,
  loops: (deps, registry) => [startRelay({ ...deps, registry }), startDispatch(deps)],
};
