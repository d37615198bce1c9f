/** The api's parts over a real hot Postgres and simulated hosts, in one process. */
import type { Agents } from '../../api/agents.ts';
import type { Parts } from '../../api/context.ts';
import { createRoom } from '../../api/room.ts';
import { createTenants } from '../../api/tenants.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { createSimHost, type SimHost } from '../../host/sim.ts';
import { createSimVolume } from '../../host/sim-volume.ts';
import { createLogger } from '../../lib/log.ts';
import { AppError } from '../../model/errors.ts';
import { createFleet } from '../../model/fleet.ts';
import type { Capacity } from '../../host/slots.ts';

export interface SimFleet {
  readonly parts: Parts;
  readonly hosts: ReadonlyMap<string, SimHost>;
  /** Every host reports what it has. */
  readonly sync: () => Promise<void>;
}

export function createSimFleet(hot: Hot, capacity: Capacity, names: readonly string[]): SimFleet {
  const volume = createSimVolume();
  const url = 'http://127.0.0.1:1';
  const hosts = new Map(
    names.map((host) => [host, createSimHost({ host, url, capacity, volume })] as const),
  );
  const fleet = createFleet(Math.random);
  const now = (): number => performance.now();
  const verbsOf = (host: string): SimHost['verbs'] => {
    const found = hosts.get(host);
    if (found === undefined) throw new AppError('unavailable');
    return found.verbs;
  };
  const agents: Agents = {
    attach: async (host, request) => verbsOf(host).attach(request),
    create: async (host, request) => verbsOf(host).create(request),
    recycle: async (host, slot) => void (await verbsOf(host).recycle(slot)),
    suspend: async (host, request) => verbsOf(host).suspend(request),
    state: async (host) => verbsOf(host).report(),
    awake: async (host, database) => verbsOf(host).awake(database),
    identity: async (host, database) => {
      const found = await verbsOf(host).readIdentity(database);
      if (found === undefined) throw new AppError('database_not_found');
      return found;
    },
    putIdentity: async (host, document, expected) =>
      verbsOf(host).replaceIdentity(document.id, expected, document),
  };
  const log = createLogger('test', 'fatal');
  const parts: Parts = {
    ...{ hot, fleet, agents, log, now },
    ...{ room: createRoom(now), tenants: createTenants(hot, now) },
  };
  return {
    parts,
    hosts,
    async sync() {
      for (const host of hosts.values()) {
        const report = host.report();
        if (report === undefined) continue;
        fleet.hear(report, now());
        if (await hostSync(hot, report)) fleet.indexed(report.host, report);
      }
    },
  };
}
