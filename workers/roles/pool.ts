/** Role pool: keeps warm slots ready. */
import { createPoolActivities } from '../../activities/pool.ts';
import { QUEUES, workflowId } from '../../model/cold/names.ts';
import type { PoolInput } from '../../model/cold/pool.ts';
import type { RoleDefinition } from '../registry.ts';

/** A run looks on for five minutes; when it ends, the next one begins within ten seconds. */
const input: PoolInput = { size: 'small', watch_ms: 300_000 };

export const poolRole: RoleDefinition = {
  role: 'pool',
  queue: QUEUES.pool,
  activities: (deps) => createPoolActivities(deps),
  maxConcurrentActivities: 8,
  schedules: [
    {
      id: 'pool-small',
      type: 'poolReplenishment',
      workflowId: workflowId.poolReplenishment('small'),
      args: [input],
      spec: { intervals: [{ every: '10 seconds' }] },
      overlap: 'SKIP',
      catchupWindowMs: 60_000,
      summary: 'keeps warm slots of size small ready',
    },
  ],
};
