/** Start and suspend as workflows. The id of each is that of the database: the lock. */
import { proxyLocalActivities } from '@temporalio/workflow';
import type { NaiveSteps, Started } from '../steps.ts';

/** A start is bounded by its caller's patience, which is 5 s; what comes later is not waited for. */
const { claim, attach, detach, vacate } = proxyLocalActivities<NaiveSteps>({
  startToCloseTimeout: '10 seconds',
  scheduleToCloseTimeout: '30 seconds',
  retry: { initialInterval: '25 milliseconds', maximumInterval: '400 milliseconds' },
});

export async function naiveStart(database: string): Promise<Started> {
  const claimed = await claim(database);
  return 'address' in claimed ? claimed : attach(claimed);
}

export async function naiveSuspend(database: string): Promise<void> {
  const held = await detach(database);
  if (held !== undefined) await vacate(held);
}
