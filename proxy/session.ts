/** A session: bytes both ways between a client and its Postgres, until both have ended. */
import type { Socket } from 'node:net';
import { mayBeLast, saysGoodbye, withHint } from './last-words.ts';

/** How long a side may take to end after the other has gone. */
const LINGER_MS = 5_000;

/** How whoever listens for sessions takes connections. One whose machine is gone does not stay for ever. */
export const LISTENING = {
  ...{ allowHalfOpen: true, noDelay: true, keepAlive: true },
  keepAliveInitialDelay: 60_000,
} as const;
/** How long sessions may go on after the proxy was told to stop. */
export const DRAIN_MS = 3_000;

export interface SessionEnd {
  readonly ended: 'client' | 'postgres' | 'client_broken' | 'postgres_broken';
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Client to Postgres, with back-pressure. @returns whether what came last was a goodbye. */
function ask(client: Socket, backend: Socket): () => boolean {
  let last: Buffer | undefined;
  backend.on('drain', () => client.resume());
  client.on('data', (bytes: Buffer) => {
    last = bytes;
    // Nobody listens any more: it is read all the same, so that an end is seen.
    if (backend.writable && !backend.write(bytes)) client.pause();
  });
  client.once('end', () => backend.end());
  client.resume();
  return () => last !== undefined && saysGoodbye(last);
}

/**
 * Postgres to client, with back-pressure. What may be its last words waits until it is known whether
 * they are, since a hint goes with those.
 */
function answer(backend: Socket, client: Socket): void {
  let last: Buffer | undefined;
  const send = (bytes: Buffer): void => {
    // Of a client that has gone there is no drain, and its close ends the backend.
    if (!client.write(bytes)) backend.pause();
  };
  client.on('drain', () => backend.resume());
  backend.on('data', (bytes: Buffer) => {
    if (last !== undefined) send(last);
    last = mayBeLast(bytes) ? bytes : undefined;
    if (last === undefined) send(bytes);
  });
  const end = (): void => {
    if (client.writableEnded) return;
    if (last !== undefined) client.write(withHint(last));
    client.end();
  };
  // An end, or a reset: Postgres had not read all that was sent to it.
  backend.once('end', end).once('close', end);
  backend.resume();
}

/**
 * Pumps with back-pressure and half-close: an end of one side is passed on as an end, and the other
 * direction goes on. Resolves when both sockets are closed.
 */
export function splice(client: Socket, backend: Socket): Promise<SessionEnd> {
  const start = { in: client.bytesRead, out: client.bytesWritten };
  return new Promise((resolve) => {
    let ended: SessionEnd['ended'] | undefined;
    let open = 2;
    let linger: NodeJS.Timeout | undefined;

    const onClose = (other: Socket): void => {
      open -= 1;
      if (open === 0) {
        clearTimeout(linger);
        const bytesIn = client.bytesRead - start.in;
        const bytesOut = client.bytesWritten - start.out;
        return resolve({ ended: ended ?? 'client', bytesIn, bytesOut });
      }
      const waitForEnd = (): void => {
        linger = setTimeout(() => other.destroy(), LINGER_MS);
      };
      // A client that reads slowly gets everything first.
      if (other.writableFinished) waitForEnd();
      else other.once('finish', waitForEnd);
    };
    client.once('end', () => (ended ??= 'client'));
    backend.once('end', () => {
      ended ??= isLeaving() ? 'client' : 'postgres';
      // Postgres never ends one direction only: nobody listens to the client any more.
      backend.end();
      client.resume();
    });
    client.once('error', () => (ended ??= 'client_broken'));
    backend.once('error', () => (ended ??= 'postgres_broken'));
    client.once('close', () => {
      // Postgres would find out by itself only when it next writes.
      backend.destroy();
      onClose(backend);
    });
    // What Postgres said last is still on its way to the client.
    backend.once('close', () => onClose(client));
    const isLeaving = ask(client, backend);
    answer(backend, client);
  });
}

/**
 * Sends the last bytes and closes. What the client still sends is thrown away for a moment, since
 * closing with unread bytes would reset the connection and take our answer with it.
 */
export function dismiss(client: Socket, last: Buffer): Promise<void> {
  if (client.closed) return Promise.resolve();
  return new Promise((resolve) => {
    const linger = setTimeout(() => client.destroy(), LINGER_MS);
    client.once('close', () => {
      clearTimeout(linger);
      resolve();
    });
    client.resume();
    client.end(last);
  });
}
