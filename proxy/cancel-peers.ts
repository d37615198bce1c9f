/**
 * Cancel requests for sessions of other proxies: a client's may come to any of them. A key that means nothing
 * here is passed on to all, once, since a key of protocol 3.0 has no room to say whose it is.
 */
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { networkOf } from './attempts.ts';
import { deliver } from './cancel.ts';
import { endOf } from './peers.ts';
import { encodeCancelRequest, PASSED_CANCEL_CODE, type BackendKey } from './wire.ts';

/** Less than a drain lasts. */
const CALL_MS_MAX = 2_000;
/** How long the addresses of a name are remembered. */
const RESOLVED_MS = 5_000;
/** Of one source: so that whoever sends keys of no session costs little, and takes nobody's turn. */
const PASSED_PER_SECOND = 100;
const SOURCES_MAX = 10_000;

/**
 * @param peers `host:port` where the proxies listen for clients; a name may have several addresses, and this
 * proxy's own may be among them.
 */
export function createCancelPeers(
  peers: readonly string[],
  now: () => number = () => performance.now(),
): (key: BackendKey, source: string) => Promise<void> {
  let second = 0;
  const passed = new Map<string, number>();
  const resolved = new Map<string, { readonly at: number; readonly hosts: Promise<string[]> }>();

  function hostsOf(name: string): Promise<string[]> {
    const known = resolved.get(name);
    if (known !== undefined && now() - known.at < RESOLVED_MS) return known.hosts;
    const hosts = lookup(name, { all: true }).then(
      (found) => found.map(({ address }) => address),
      () => [],
    );
    resolved.set(name, { at: now(), hosts });
    return hosts;
  }

  async function passTo(peer: string, packet: Buffer): Promise<void> {
    const { host, port } = endOf(peer);
    await Promise.all(
      (await hostsOf(host)).map((address) =>
        deliver(connect({ host: address, port }), 'connect', packet, CALL_MS_MAX),
      ),
    );
  }

  return async (key, source) => {
    const current = Math.floor(now() / 1_000);
    if (current !== second) passed.clear();
    second = current;
    const network = networkOf(source);
    const count = (passed.get(network) ?? 0) + 1;
    if (count > PASSED_PER_SECOND || passed.size > SOURCES_MAX) return;
    passed.set(network, count);
    const packet = encodeCancelRequest(key, PASSED_CANCEL_CODE);
    await Promise.all(peers.map((peer) => passTo(peer, packet)));
  };
}
