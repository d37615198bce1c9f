/**
 * A worker can be dead while its process looks well: after a fatal error of a poll its state is
 * FAILED, and `run()` may never settle. So the state is looked at, and the process ends; whoever
 * supervises it starts a new one.
 */
import type { Worker } from '@temporalio/worker';
import type { Role } from '../model/cold/names.ts';

const LOOK_MS = 1_000;

export interface RunningWorker {
  readonly role: Role;
  readonly queue: string;
  readonly worker: Worker;
}

/** @param died called once, with the first role whose worker is dead. */
export function watchWorkers(
  workers: readonly RunningWorker[],
  died: (role: Role, state: string) => void,
): { readonly stop: () => void } {
  const timer = setInterval(() => {
    for (const { role, worker } of workers) {
      const state = worker.getState();
      if (state !== 'FAILED' && state !== 'STOPPED') continue;
      clearInterval(timer);
      died(role, state);
      return;
    }
  }, LOOK_MS);
  return { stop: () => clearInterval(timer) };
}
