/** A session: bytes both ways between a client and its Postgres, until both have ended. */
import type { Socket } from 'node:net';

/** How long a side may take to end after the other has gone. */
const LINGER_MS = 5_000;

export interface SessionEnd {
  readonly ended: 'client' | 'postgres' | 'client_broken' | 'postgres_broken';
  readonly bytesIn: number;
  readonly bytesOut: number;
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
      ended ??= 'postgres';
      // Postgres never ends one direction only: nobody listens to the client any more.
      client.unpipe(backend).resume();
      backend.end();
    });
    client.once('error', () => (ended ??= 'client_broken'));
    backend.once('error', () => (ended ??= 'postgres_broken'));
    client.once('close', () => {
      // Postgres would find out by itself only when it next writes.
      backend.destroy();
      onClose(backend);
    });
    backend.once('close', () => {
      // What Postgres said last is still on its way to the client.
      if (!client.writableEnded) client.end();
      onClose(client);
    });
    client.pipe(backend);
    backend.pipe(client);
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
