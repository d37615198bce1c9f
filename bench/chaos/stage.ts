/** The stack that is broken: three hosts, two apis, two proxies, and what stands between them. */
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiName, hostName, proxyName } from '../../dev/commands.ts';
import { clearVanished, homePaths, volumeOf } from '../../dev/home.ts';
import { BIND } from '../../dev/plan.ts';
import { findPortBase, portsFrom } from '../../dev/ports.ts';
import { startStack } from '../../dev/stack.ts';
import { freePort } from '../../lib/free-port.ts';
import { isRoot } from '../../host/prepare.ts';
import { startRelay, type Relay } from '../faults/relay.ts';
import { createRandom } from '../random.ts';
import { provideClocks } from './clock.ts';
import { mountDisk } from './disk.ts';
import { leftBehind, type Scene } from './faults.ts';
import type { Fleet } from './plan.ts';

const COUNTS = { hosts: 3, apis: 2, proxies: 2 } as const;
const names = (count: number, nameOf: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => nameOf(index));

export const FLEET: Fleet = {
  apis: names(COUNTS.apis, apiName),
  proxies: names(COUNTS.proxies, proxyName),
  hosts: names(COUNTS.hosts, hostName),
};

/** A database takes 40 MB; there are about twenty with the blank ones and those not removed yet. */
const DISK_MB = 2_048;
/** Room for everything on one host. */
const SLOTS = 'small=16';
const WARM = 1;

export interface Stage {
  readonly scene: Scene;
  /** Stops the stack and removes all of it. @returns how many processes it has left. */
  readonly stop: () => Promise<number>;
}

async function startRelays(base: number, seed: number): Promise<Map<string, Relay>> {
  const ports = portsFrom(base, COUNTS);
  const random = createRandom(seed);
  const targets = [
    ['hot', ports.hot] as const,
    ...ports.apis.map((port, i) => [apiName(i), port] as const),
    ...ports.hosts.map((port, i) => [hostName(i), port] as const),
  ];
  const relays = new Map<string, Relay>();
  for (const [name, to] of targets)
    relays.set(name, await startRelay(await freePort(), to, random));
  return relays;
}

export interface StageOptions {
  readonly seed: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function startStage({ seed, say, signal }: StageOptions): Promise<Stage> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'pilotlight-chaos-')));
  // Proxies look for their clock here, as another user; the home lets nobody in.
  await chmod(folder, 0o711);
  const paths = homePaths(join(folder, 'home'));
  const portBase = await findPortBase(COUNTS.hosts, BIND);
  const relays = await startRelays(portBase, seed);
  const portOf = (name: string): number => relays.get(name)?.port ?? 0;
  const clocks = await provideClocks(join(folder, 'clocks'), Object.values(FLEET).flat());
  const disk = isRoot()
    ? await mountDisk(volumeOf(paths), DISK_MB).catch(() => undefined)
    : undefined;

  async function clear(): Promise<void> {
    await Promise.all([...relays.values()].map((relay) => relay.close()));
    // The state first: a stack that did not start has removed neither.
    await rm(paths.home, { recursive: true, force: true });
    await clearVanished(paths);
    await rm(folder, { recursive: true, force: true });
  }

  try {
    const stack = await startStack({
      home: paths.home,
      portBase,
      ...COUNTS,
      warm: WARM,
      namespaces: isRoot(),
      temporary: true,
      relays: {
        hot: portOf('hot'),
        apis: FLEET.apis.map(portOf),
        hosts: FLEET.hosts.map(portOf),
      },
      settings: { PILOTLIGHT_SLOTS: SLOTS },
      own: clocks?.own ?? {},
      say,
      signal,
    });
    const directories = await realpath(join(volumeOf(paths), 'directories'));
    return {
      scene: { stack, paths, directories, relays, disk, clocks },
      async stop() {
        // From our view only, so that the state can be removed; the hosts' own ends with them.
        await disk?.unmount();
        await stack.stop();
        await clear();
        return leftBehind(paths).length;
      },
    };
  } catch (error) {
    await disk?.unmount();
    await clear();
    throw error;
  }
}
