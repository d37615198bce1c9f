/** The end of a whole host in order: what runs is suspended, what is blank is removed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { POSTGRES_STOP_MS_MAX } from '../model/limits.ts';
import { directoryQueue, type AgentContext } from './context.ts';
import type { ShutdownAnswer } from './contract.ts';
import { endRun } from './suspend.ts';
import { removeBlank } from './discard.ts';
import type { Slot } from './slots.ts';

/**
 * Refuses new work from now on, waits for what is being done, then ends every slot's run.
 * @param graceMs from SIGINT to SIGKILL.
 */
export async function shutDown(
  context: AgentContext,
  graceMs = POSTGRES_STOP_MS_MAX,
): Promise<ShutdownAnswer> {
  const { slots, queues } = context;
  context.ending.now = true;
  // What is being built is there then; a recovery may take longer than anyone waits.
  await Promise.race([queues.drained(), sleep(graceMs, undefined, { ref: false })]);
  let suspended = 0;
  let removed = 0;

  async function end(slot: Slot): Promise<void> {
    const current = slots.get(slot);
    if (current?.incarnation === undefined) return;
    if (current.database === undefined) {
      await removeBlank(context, current);
      slots.vacate(current);
      removed += 1;
    } else {
      await endRun(context, current, 'shutdown', { graceMs });
      suspended += 1;
    }
  }

  await Promise.all(
    slots.all().map((slot) =>
      queues
        .run(slot.database ?? directoryQueue(slot.directory), () => end(slot))
        .catch((error: unknown) => {
          context.log.error({ err: error, database: slot.database }, 'a run could not be ended');
        }),
    ),
  );
  await context.journal.flushed();
  return { suspended, removed };
}
