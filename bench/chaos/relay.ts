/** A TCP relay between two processes of the stack, which can be told to break what goes through it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { BIND } from '../../dev/plan.ts';

/** `refuse`: every connection is reset. `stall`: nothing comes through, and goes on afterwards. */
export type Mode = 'pass' | 'refuse' | 'stall';

export interface Relay {
  readonly port: number;
  readonly set: (mode: Mode) => void;
  readonly close: () => void;
}

/** Starts it on a port of the kernel's choice. @param to the port that it leads to. */
export async function startRelay(to: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  /** Accepted while nothing comes through. */
  let waiting: (() => void)[] = [];
  let mode: Mode = 'pass';

  function track(socket: Socket, other: Socket): void {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      if (!other.write(chunk)) socket.pause();
    });
    other.on('drain', () => {
      if (mode !== 'stall') socket.resume();
    });
    socket.on('end', () => other.end());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  }

  function lead(client: Socket): void {
    if (client.destroyed) return;
    const server = connect({ port: to, host: BIND, allowHalfOpen: true });
    track(client, server);
    track(server, client);
  }

  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => undefined);
    const go = (): void => {
      lead(client);
      client.resume();
    };
    if (mode === 'refuse') client.resetAndDestroy();
    else if (mode === 'stall') waiting.push(go);
    else go();
  });
  listener.listen(0, BIND);
  await once(listener, 'listening');

  return {
    port: (listener.address() as AddressInfo).port,
    set(next) {
      mode = next;
      if (next === 'refuse') for (const socket of sockets) socket.resetAndDestroy();
      else for (const socket of sockets) void (next === 'stall' ? socket.pause() : socket.resume());
      if (next === 'stall') return;
      const held = waiting;
      waiting = [];
      for (const go of held) go();
    },
    close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
