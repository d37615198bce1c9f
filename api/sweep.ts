/** Once a second: takes back transitions that are past their deadline, and learns whom the index wants to hear. */
import { codeOf } from '../model/errors.ts';
import { assignmentSweep } from '../db/hot/assignment-sweep.ts';
import { resyncFind } from '../db/hot/resync-find.ts';
import type { Context } from './context.ts';

const EVERY_MS = 1_000;

export async function sweepOnce(deps: Context, after: string): Promise<string> {
  await deps.adopter.pay();
  const { swept, next } = await assignmentSweep(deps.hot, after);
  for (const { database, was, host } of swept) {
    deps.metrics.swept.inc({ state: was });
    deps.log.warn({ database, was, host }, 'a transition outlived its deadline and was taken back');
  }
  for (const host of await resyncFind(deps.hot)) deps.fleet.resync(host);
  return next;
}

/** @returns what stops it. */
export function startSweep(deps: Context): () => void {
  let next = '';
  async function sweep(): Promise<void> {
    try {
      next = await sweepOnce(deps, next);
    } catch (error) {
      deps.log.warn({ code: codeOf(error) }, 'no sweep this time');
    }
    timer.refresh();
  }
  const timer = setTimeout(() => void sweep(), EVERY_MS);
  return () => clearTimeout(timer);
}
