/**
 * The api as the proxy sees it: several instances, of which it sticks to one that answers. Calls are
 * idempotent, so that one that was not answered is asked of the next instance.
 */
import { createJsonClient } from '../lib/http-client.ts';
import type { CallOptions } from '../lib/json-client.ts';
import { AppError } from '../model/errors.ts';

/** Keeps the connection open (servers close idle ones after 5 s) and notices a dead api early. */
const PING_MS = 2_000;
const PING_MS_MAX = 1_000;

export interface ApiClientOptions {
  /** Base addresses, `http://host:port`. */
  readonly urls: readonly string[];
  readonly token: string;
}

export interface ApiClient {
  /**
   * Calls `path` of the instance that answered last, then of the others, all within `timeoutMs`.
   * @throws AppError with the code the api named; `unavailable` if none answered.
   */
  readonly call: <T>(path: string, options: CallOptions) => Promise<T>;
  /** False from the last call that no instance answered until one is answered again. */
  readonly answers: () => boolean;
  readonly close: () => void;
}

/** What another instance may answer better: silence, and one that is about to end. */
const isForTheNext = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'unavailable' || error.code === 'shutting_down');

/** An `unavailable` that the api itself said has no cause on this side. */
const isSilence = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'unavailable' && error.cause !== undefined;

export function createApiClient(options: ApiClientOptions): ApiClient {
  const client = createJsonClient(options.token);
  const { urls } = options;
  let current = 0;
  let answering = true;

  /** One instance; whatever it says but silence shows that it answers. */
  async function ask<T>(index: number, path: string, wanted: CallOptions): Promise<T> {
    try {
      const answer = await client.call<T>(`${urls[index] ?? ''}${path}`, wanted);
      answering = true;
      return answer;
    } catch (error) {
      if (!isSilence(error)) answering = true;
      throw error;
    }
  }

  async function call<T>(path: string, wanted: CallOptions): Promise<T> {
    const deadline = performance.now() + wanted.timeoutMs;
    let last: unknown = new AppError('unavailable');
    for (let tried = 0; tried < urls.length; tried++) {
      const index = (current + tried) % urls.length;
      const left = Math.ceil((deadline - performance.now()) / (urls.length - tried));
      if (left <= 0) break;
      try {
        const answer = await ask<T>(index, path, { ...wanted, timeoutMs: left });
        current = index;
        return answer;
      } catch (error) {
        if (!isForTheNext(error)) {
          current = index;
          throw error;
        }
        last = error;
      }
    }
    if (isSilence(last)) answering = false;
    throw last;
  }

  const ping = (): void => void call('/livez', { timeoutMs: PING_MS_MAX }).catch(() => undefined);
  const timer = setInterval(ping, PING_MS);
  timer.unref();
  ping();

  return {
    call,
    answers: () => answering,
    close: () => {
      clearInterval(timer);
      client.close();
    },
  };
}
