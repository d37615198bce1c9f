/**
 * Cancel requests for sessions of other proxies: a client's may come to any of them. A key that means nothing
 * here is passed on to all, once, since a key of protocol 3.0 has no room to say whose it is.
 */
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { endOf } from './peers.ts';
import { encodeCancelRequest, PASSED_CANCEL_CODE, type BackendKey } from './wire.ts';

const CALL_MS_MAX = 5_000;
/** So that whoever sends keys of no session costs the others little. */
const PASSED_PER_SECOND = 100;

/** Resolves when it is closed: a proxy does so when Postgres has taken the request, or it knows no such key. */
function pass(host: string, port: number, packet: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(CALL_MS_MAX, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(packet);
  });
}

/**
 * @param peers `host:port` where the proxies listen for clients; a name may have several addresses, and this
 * proxy's own may be among them.
 */
export function createCancelPeers(
  peers: readonly string[],
  now: () => number = () => performance.now(),
): (key: BackendKey) => Promise<void> {
  let [second, passed] = [0, 0];

  async function passTo(peer: string, packet: Buffer): Promise<void> {
    const { host, port } = endOf(peer);
    const found = await lookup(host, { all: true }).catch(() => []);
    await Promise.all(found.map(({ address }) => pass(address, port, packet)));
  }

  return async (key) => {
    const current = Math.floor(now() / 1_000);
    if (current !== second) [second, passed] = [current, 0];
    if (++passed > PASSED_PER_SECOND) return;
    const packet = encodeCancelRequest(key, PASSED_CANCEL_CODE);
    await Promise.all(peers.map((peer) => passTo(peer, packet)));
  };
}
