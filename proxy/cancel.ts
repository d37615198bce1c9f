/**
 * Cancel keys. The client gets a random one of ours, which leads to one backend of one incarnation
 * for as long as the session lasts; it never wakes anything and reaches no other database.
 */
import type { Socket } from 'node:net';
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { Address } from '../model/wire.ts';
import type { Peers } from './peers.ts';
import { encodeCancelRequest, SECRET_BYTES, type BackendKey } from './wire.ts';

/** How long Postgres may take to accept a cancel request. */
const CANCEL_MS_MAX = 5_000;

interface Target {
  readonly address: Address;
  readonly key: BackendKey;
  /** The secret of the key that the client has. */
  readonly ours: Buffer;
}

export interface CancelKeys {
  /** Makes a key of ours for a backend, as long as the client's minor version of the protocol has it. */
  readonly add: (address: Address, key: BackendKey, minor: number) => BackendKey;
  readonly remove: (key: BackendKey) => void;
  /**
   * Passes a cancel request on to the backend that the key stands for, and waits until Postgres has
   * taken it. @returns false for a key that stands for none.
   */
  readonly cancel: (key: BackendKey) => Promise<boolean>;
}

/**
 * Sends it and waits until the other side has closed: Postgres does so when the signal is sent (PQcancel()
 * waits for that, too), a proxy when Postgres has, or it knows no such key.
 */
export function deliver(
  socket: Socket,
  ready: 'connect' | 'secureConnect',
  packet: Buffer,
  msMax: number,
): Promise<void> {
  return new Promise((resolve) => {
    socket.setTimeout(msMax, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.once(ready, () => socket.end(packet));
  });
}

/** Since which minor version a secret may have more than four bytes. */
const LONG_SINCE = 2;

export function createCancelKeys(peers: Peers): CancelKeys {
  // By our process id, which is one of 2^31 and given once at a time.
  const targets = new Map<number, Target>();
  return {
    add(address, key, minor) {
      let pid = randomInt(1, 2 ** 31);
      while (targets.has(pid)) pid = randomInt(1, 2 ** 31);
      const secret = randomBytes(minor < LONG_SINCE ? SECRET_BYTES.short : SECRET_BYTES.long);
      targets.set(pid, { address, key, ours: secret });
      return { pid, secret };
    },
    remove: (key) => void targets.delete(key.pid),
    async cancel({ pid, secret }) {
      const target = targets.get(pid);
      if (target === undefined || target.ours.length !== secret.length) return false;
      if (!timingSafeEqual(target.ours, secret)) return false;
      const spot = peers.postgres(target.address);
      const packet = encodeCancelRequest(target.key);
      await deliver(peers.connect(spot), peers.readyEvent(spot), packet, CANCEL_MS_MAX);
      return true;
    },
  };
}
