/** Starts that are due at given times, whatever became of those before. */
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonClient } from '../../lib/json-client.ts';
import { AppError, codeOf } from '../../model/errors.ts';
import type { StartAnswer } from '../../model/wire.ts';
import { PATIENCE_MS, type Sample } from './samples.ts';

/** Not measured. */
const SUSPEND_MS_MAX = 30_000;

export interface LoopOptions {
  readonly client: JsonClient;
  /** Of an api, or of what takes its place. */
  readonly url: string;
  /** All of them asleep. The one that has slept longest is next. */
  readonly databases: readonly string[];
  /** Milliseconds from now. */
  readonly arrivals: readonly number[];
  readonly signal: AbortSignal;
}

/**
 * Each database is put back to sleep outside of the measured time. One that could not be is used no
 * more. @returns a sample for each arrival, in that order.
 */
export async function runArrivals(options: LoopOptions): Promise<readonly Sample[]> {
  const { client, url, arrivals, signal } = options;
  const asleep = [...options.databases];
  const began = performance.now();
  const call = <T>(id: string, verb: string, body: unknown, timeoutMs: number): Promise<T> =>
    client.call<T>(`${url}/v1/databases/${id}/${verb}`, { body, timeoutMs });

  async function putBack(id: string, epoch: number): Promise<void> {
    await call(id, 'suspend', { epoch }, SUSPEND_MS_MAX);
    asleep.push(id);
  }

  async function arrive(at: number): Promise<{ sample: Sample; rest: Promise<void> }> {
    await delay(Math.max(0, began + at - performance.now()), undefined, { signal }).catch(
      () => undefined,
    );
    const took = (): number => performance.now() - began - at;
    const rest = Promise.resolve();
    const id = signal.aborted ? undefined : asleep.shift();
    if (id === undefined) return { sample: { ms: took(), failed: 'no database is asleep' }, rest };
    try {
      const answer = await call<StartAnswer>(id, 'start', {}, PATIENCE_MS);
      const ms = took();
      if (!('epoch' in answer)) throw new AppError('waking');
      // What goes wrong here is seen when no database is asleep any more.
      return { sample: { ms }, rest: putBack(id, answer.epoch).catch(() => undefined) };
    } catch (error) {
      // Nothing was started, as far as the caller knows: it may be tried again.
      asleep.push(id);
      const why = error instanceof Error ? error.message : String(error);
      return { sample: { ms: took(), failed: `${codeOf(error)}: ${why}` }, rest };
    }
  }

  const arrived = await Promise.all(arrivals.map(arrive));
  await Promise.all(arrived.map(({ rest }) => rest));
  return arrived.map(({ sample }) => sample);
}
