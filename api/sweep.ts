/** Takes back transitions that are past their deadline, once a second. */
import { codeOf } from '../model/errors.ts';
import { assignmentSweep } from '../db/hot/assignment-sweep.ts';
import type { Context } from './context.ts';

const EVERY_MS = 1_000;

async function sweepOnce(deps: Context): Promise<void> {
  for (const { database, was, host } of await assignmentSweep(deps.hot)) {
    deps.fleet.resync(host);
    deps.metrics.swept.inc({ state: was });
    deps.log.warn({ database, was, host }, 'a transition outlived its deadline and was taken back');
  }
}

/** @returns what stops it. */
export function startSweep(deps: Context): () => void {
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    sweepOnce(deps)
      .catch((error: unknown) => deps.log.warn({ code: codeOf(error) }, 'no sweep this time'))
      .finally(() => {
        busy = false;
      });
  }, EVERY_MS);
  return () => clearInterval(timer);
}
