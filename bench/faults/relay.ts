/** A TCP relay that can be told to misbehave, between two processes of a stack. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * What becomes of what passes.
 * `refused`: nobody listens, and what was connected is reset. `silent`: no byte passes until the next
 * trouble. `slow`: what the caller sends is late by `ms`. `lossy`: of every piece that the caller
 * sends, one in `odds` is its connection's last, in turn reset or silent from then on.
 */
export type Trouble =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'lossy'; readonly odds: number };

export interface Relay {
  readonly port: number;
  /** For connections that there are and those that come. */
  readonly set: (trouble: Trouble) => Promise<void>;
  readonly close: () => Promise<void>;
}

interface Shared {
  readonly random: () => number;
  trouble: Trouble;
  /** Resolves when the trouble changes. */
  changed: Promise<void>;
  losses: number;
}

/** @returns false if the connection is at its end. */
async function pass(shared: Shared, isRequest: boolean): Promise<boolean> {
  const due = performance.now();
  while (shared.trouble.kind === 'silent') await shared.changed;
  const { trouble } = shared;
  if (!isRequest) return true;
  if (trouble.kind === 'slow') await delay(Math.max(0, due + trouble.ms - performance.now()));
  if (trouble.kind !== 'lossy' || shared.random() * trouble.odds >= 1) return true;
  shared.losses += 1;
  // Silent for as long as the trouble lasts, and of no use afterwards.
  if (shared.losses % 2 === 0) await shared.changed;
  return false;
}

async function pump(shared: Shared, from: Socket, to: Socket, isRequest: boolean): Promise<void> {
  for await (const chunk of from) {
    if (!(await pass(shared, isRequest))) {
      from.resetAndDestroy();
      to.resetAndDestroy();
      return;
    }
    if (!to.write(chunk as Buffer))
      await new Promise<void>((resolve) => {
        to.once('drain', resolve);
        to.once('close', resolve);
      });
  }
  to.end();
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

/** Relays `port` of 127.0.0.1 to `target`, in order until told otherwise. @param random of losses. */
export async function startRelay(
  port: number,
  target: number,
  random: () => number,
): Promise<Relay> {
  const open = new Set<Socket>();
  let wake = (): void => undefined;
  const nextChange = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const shared: Shared = { random, trouble: { kind: 'none' }, changed: nextChange(), losses: 0 };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    }
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    pump(shared, near, far, true).catch(end);
    pump(shared, far, near, false).catch(end);
  });
  const closeAll = (): void => {
    for (const socket of open) socket.resetAndDestroy();
  };
  await listen(server, port);

  return {
    port,
    async set(trouble) {
      const was = shared.trouble.kind;
      shared.trouble = trouble;
      const tell = wake;
      shared.changed = nextChange();
      tell();
      if (trouble.kind === 'refused' && was !== 'refused') {
        server.close();
        closeAll();
      }
      if (trouble.kind !== 'refused' && was === 'refused') await listen(server, port);
    },
    close: () =>
      new Promise((resolve) => {
        closeAll();
        server.close(() => resolve());
      }),
  };
}
