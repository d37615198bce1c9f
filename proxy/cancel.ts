/**
 * Cancel keys. The client gets a random one of ours, which leads to one backend of one incarnation
 * for as long as the session lasts; it never wakes anything and reaches no other database.
 */
import { connect } from 'node:net';
import { randomInt } from 'node:crypto';
import type { Address } from '../model/wire.ts';
import { socketPathOf } from './backend.ts';
import { encodeCancelRequest, type BackendKey } from './wire.ts';

/** How long Postgres may take to accept a cancel request. */
const CANCEL_MS_MAX = 5_000;

interface Target {
  readonly address: Address;
  readonly key: BackendKey;
}

export interface CancelKeys {
  /** Makes a key of ours for a backend. */
  readonly add: (address: Address, key: BackendKey) => BackendKey;
  readonly remove: (key: BackendKey) => void;
  /**
   * Passes a cancel request on to the backend that the key stands for, and waits until Postgres has
   * taken it. @returns false for a key that stands for none.
   */
  readonly cancel: (key: BackendKey) => Promise<boolean>;
}

const nameOf = (key: BackendKey): string => `${key.pid}.${key.secret}`;

/** Random like Postgres' own: a positive process id and 32 bits. */
const randomKey = (): BackendKey => ({
  pid: randomInt(1, 2 ** 31),
  secret: randomInt(-(2 ** 31), 2 ** 31),
});

/** Postgres closes the connection when the signal is sent (PQcancel() waits for that, too). */
function deliver(target: Target): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path: socketPathOf(target.address) });
    socket.setTimeout(CANCEL_MS_MAX, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(encodeCancelRequest(target.key));
  });
}

export function createCancelKeys(): CancelKeys {
  const targets = new Map<string, Target>();
  return {
    add(address, key) {
      let ours = randomKey();
      while (targets.has(nameOf(ours))) ours = randomKey();
      targets.set(nameOf(ours), { address, key });
      return ours;
    },
    remove: (key) => void targets.delete(nameOf(key)),
    async cancel(key) {
      const target = targets.get(nameOf(key));
      if (target === undefined) return false;
      await deliver(target);
      return true;
    },
  };
}
