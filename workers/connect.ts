/**
 * Connections to the Temporal server. The worker's does not retry by itself, not even a refused
 * port, so the loop is here: a worker may be started long before its server.
 */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { NAMESPACE } from '../model/cold/names.ts';
import type { Logger } from '../lib/log.ts';

const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 5_000;
/** An address that swallows packets is tried again after this; the SDK itself has no such limit. */
const CONNECT_MS_MAX = 10_000;
/** While it does not work, it is said this often. */
const SAY_MS = 60_000;

/** Waits, or until `signal`. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done);
  });
}

export interface Patience {
  readonly log: Logger;
  /** Ends the trying. */
  readonly signal: AbortSignal;
}

/** The first line of what was thrown: an SDK's error may hold a page. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0]?.slice(0, 300) ?? '';
}

/**
 * Does `work` again with a growing pause until it is done.
 * @returns undefined only if `signal` was aborted.
 */
export async function untilDone<T>(
  what: string,
  work: () => Promise<T>,
  { log, signal }: Patience,
): Promise<T | undefined> {
  let backoff = BACKOFF_MS_MIN;
  let saidAt = -SAY_MS;
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return undefined;
      if (performance.now() - saidAt >= SAY_MS) {
        log.warn({ what, reason: reasonOf(error) }, 'waiting for the Temporal server');
        saidAt = performance.now();
      }
      await pause(backoff, signal);
      backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
    }
  }
  return undefined;
}

/** One try. A connection that comes too late is closed. */
export async function connectNative(address: string): Promise<NativeConnection> {
  const connecting = NativeConnection.connect({ address });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      void connecting.then(
        (connection) => connection.close(),
        () => undefined,
      );
      reject(new Error(`no connection to ${address} within ${CONNECT_MS_MAX / 1000} s`));
    }, CONNECT_MS_MAX);
  });
  try {
    return await Promise.race([connecting, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long grpc waits between its own tries: its default grows to 2 minutes. */
const CHANNEL = {
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/**
 * A client that connects when it is first used. Give every call a deadline by
 * `client.withDeadline`; without one a call on a server that is down fails after 20 s.
 */
export function openClient(address: string): Client {
  const connection = Connection.lazy({ address, channelArgs: CHANNEL });
  return new Client({ connection, namespace: NAMESPACE });
}
