/** Role billing: usage into the ledger every hour, invoices every month. */
import { createBillingActivities } from '../../activities/billing.ts';
import { QUEUES } from '../../model/cold/names.ts';
import type { RoleDefinition } from '../registry.ts';

const DAY_MS = 24 * 3_600_000;

export const billingRole: RoleDefinition = {
  role: 'billing',
  queue: QUEUES.billing,
  activities: createBillingActivities,
  maxConcurrentActivities: 4,
  schedules: [
    {
      id: 'billing-rollup',
      type: 'billingRollup',
      workflowId: 'billing-rollup',
      args: [],
      // Five minutes for the events of the hour to arrive; what comes later is brought along later.
      spec: { calendars: [{ minute: 5, hour: '*' }] },
      overlap: 'BUFFER_ALL',
      catchupWindowMs: 30 * DAY_MS,
      summary: 'usage of the hour before into the ledger',
    },
    {
      id: 'billing-close',
      type: 'billingClose',
      workflowId: 'billing-close',
      args: [],
      spec: { calendars: [{ dayOfMonth: 1, hour: 6, minute: 0 }] },
      overlap: 'BUFFER_ONE',
      catchupWindowMs: 30 * DAY_MS,
      summary: 'invoices of the month before',
    },
  ],
};
