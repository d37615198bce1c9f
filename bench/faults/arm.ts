/** One of the two stacks of the bench: two apis, two proxies, three hosts, and relays between them. */
import { join } from 'node:path';
import { connect } from '../../db/client.ts';
import { volumeOf } from '../../dev/home.ts';
import { BIND } from '../../dev/plan.ts';
import { findPortBase, portsFrom } from '../../dev/ports.ts';
import type { Stack } from '../../dev/stack.ts';
import { loadSecrets } from '../../dev/secrets.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { createApiClient } from '../../proxy/api-client.ts';
import { through } from '../chaos/clients.ts';
import { mountDisk, type Disk } from '../chaos/disk.ts';
import { purge } from '../purge.ts';
import { HOLD_MS } from './judge.ts';
import { startRelay, type Relay } from './relay.ts';

const HOSTS = 3;
const APIS = 2;
export const DISK_MB = 2_048;
/** Nothing falls asleep by itself meanwhile. */
export const IDLE_MS = 3_600_000;
/** What a caller of the api, or a driver, waits at most. */
export const CALL_MS = 5_000;

export interface Arm {
  readonly stack: Stack;
  /** Of the volume, if it has one of its own. */
  readonly disk: Disk | undefined;
  readonly relays: {
    readonly hot: Relay;
    /** Between proxies and hosts, and the apis. */
    readonly apis: readonly Relay[];
    /** Between apis and the agents. */
    readonly hosts: readonly Relay[];
  };
  /** An operator's and a proxy's calls, which go to the next api if one does not answer. */
  readonly operator: <T>(path: string, options?: CallSpec) => Promise<T>;
  /** One statement in a session of its own, by whichever proxy answers first. */
  readonly visit: (url: string) => Promise<void>;
  /** A proxy's call. */
  readonly access: (database: string) => Promise<unknown>;
  /** Removes what a deleted database has left, by any host. */
  readonly purge: (database: string) => Promise<unknown>;
  readonly stop: () => Promise<void>;
}

export interface CallSpec {
  readonly method?: 'DELETE' | 'PATCH';
  readonly body?: object;
  readonly timeoutMs?: number;
}

export interface ArmOptions {
  readonly namespaces: boolean;
  readonly ownDisk: boolean;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

async function startRelays(targets: readonly number[], random: () => number): Promise<Relay[]> {
  const relays: Relay[] = [];
  for (const target of targets) relays.push(await startRelay(await freePort(), target, random));
  return relays;
}

/** A driver with several addresses goes to the next if it is not let in by one. */
async function visitByAny(url: string, ports: readonly number[]): Promise<void> {
  let last: unknown;
  for (const port of ports) {
    try {
      const options = { connectTimeoutMs: CALL_MS, onError: () => undefined };
      const client = await connect(through(url, port), options);
      await client.query('select 1');
      await client.end();
      return;
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!code.startsWith('ECONN')) throw error;
      last = error;
    }
  }
  throw last;
}

export async function startArm({ namespaces, ownDisk, random, signal }: ArmOptions): Promise<Arm> {
  const portBase = await findPortBase(HOSTS, BIND);
  const ports = portsFrom(portBase, { hosts: HOSTS, apis: APIS });
  const [hot] = await startRelays([ports.hot], random);
  const apis = await startRelays(ports.apis, random);
  const hosts = await startRelays(ports.hosts, random);
  if (hot === undefined) throw new Error('BUG: a relay has no port');
  const all = [hot, ...apis, ...hosts];
  const toldOf = (relays: readonly Relay[]): number[] => relays.map(({ port }) => port);
  const closeRelays = (): Promise<unknown> => Promise.all(all.map((relay) => relay.close()));
  let disk: Disk | undefined;
  try {
    const stack = await startTemporaryStack({
      ...{ hosts: HOSTS, apis: APIS, proxies: 2, namespaces, portBase, signal },
      relays: { hot: hot.port, apis: toldOf(apis), hosts: toldOf(hosts) },
      async prepare(paths) {
        if (ownDisk) disk = await mountDisk(volumeOf(paths), DISK_MB);
      },
      settings: { PILOTLIGHT_SLOTS: 'small=60', PILOTLIGHT_HOLD_MS: String(HOLD_MS) },
      warm: 0,
      say: () => undefined,
    });
    const { api, proxy, home } = stack.endpoints;
    const secrets = await loadSecrets(join(home, 'secrets.json'));
    const client = createApiClient({ urls: api.urls, token: secrets.api_token_operator });
    const proxyClient = createApiClient({ urls: api.urls, token: secrets.api_token_proxy });
    const agents = createJsonClient(secrets.agent_token_operator);
    return {
      stack,
      disk,
      relays: { hot, apis, hosts },
      operator: (path, options = {}) =>
        client.call(`/v1/databases${path}`, { timeoutMs: CALL_MS, ...options }),
      visit: (url) => visitByAny(url, proxy.ports),
      access: (database) =>
        proxyClient.call(`/v1/databases/${database}/access`, { timeoutMs: CALL_MS }),
      purge: (database) =>
        purge(
          stack.endpoints.hosts.map(({ url }) => ({ url, client: agents })),
          database,
        ),
      async stop() {
        for (const one of [client, proxyClient, agents]) one.close();
        // From our view only, so that the state can be removed; the hosts' own ends with them.
        await disk?.unmount();
        await stack.stop();
        await closeRelays();
      },
    };
  } catch (error) {
    await disk?.unmount();
    await closeRelays();
    throw error;
  }
}
