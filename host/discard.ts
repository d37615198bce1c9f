/** Getting rid of blank directories. */
import type { AgentContext } from './context.ts';
import type { Slot } from './slots.ts';

/** Removes a directory that is nobody's; what can not be removed now is found at the next start. */
export async function discard(context: AgentContext, directory: string): Promise<void> {
  try {
    const holding = await context.holdings.take(directory);
    try {
      await context.directories.remove(directory);
    } finally {
      await holding.close();
    }
  } catch (error) {
    context.log.error({ err: error, directory }, 'a blank directory could not be removed');
  }
}

/** Stops what a slot runs, removes its blank directory and empties the slot. */
export async function removeBlank(context: AgentContext, slot: Slot): Promise<void> {
  context.slots.update({ ...slot, state: 'stopping' });
  if (slot.incarnation !== undefined) await context.incarnations.stop(slot.incarnation, 0);
  await discard(context, slot.directory);
}

/**
 * What an earlier agent has left of blank directories, and of removals it did not end. Never before the
 * agent is ready: cold work may take its 20 s for each where the databases leave no core idle.
 */
export async function clearUp(context: AgentContext, blanks: readonly string[]): Promise<void> {
  for (const directory of blanks) await discard(context, directory);
  try {
    await context.directories.removeGone();
  } catch (error) {
    context.log.error({ err: error }, 'a directory on its way out could not be removed');
  }
}
