/** Puts the agent together: the one place where its parts meet. */
import { isHostId } from '../model/ids.ts';
import { SIZES, isSizeName, type SizeName } from '../model/sizes.ts';
import type { HostReport } from '../model/wire.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { JsonClient } from '../lib/json-client.ts';
import type { HttpRoute } from '../lib/http-server.ts';
import type { Logger } from '../lib/log.ts';
import { createRegistry } from '../lib/metrics.ts';
import { adoptAll } from './adopt.ts';
import { beginBoot } from './boot.ts';
import type { AgentContext } from './context.ts';
import { createDirectories } from './directories.ts';
import { clearUp } from './discard.ts';
import { createGuests } from './guests.ts';
import { startHeartbeat } from './heartbeat.ts';
import { createHoldings } from './holding.ts';
import { createIdentities } from './identity.ts';
import { startIdleTimer } from './idle.ts';
import { createIncarnations } from './incarnation.ts';
import { openJournal } from './journal.ts';
import { createLocks } from './lock.ts';
import { addReportMetrics, addSpaceMetrics, createHostMetrics } from './metrics.ts';
import { writeAccessFiles } from './postgres.ts';
import { findUser, isRoot, makeRunFolder, ownUser } from './prepare.ts';
import { machineBootId } from './processes.ts';
import { createQueues } from './queues.ts';
import { createRoles } from './roles.ts';
import { createAccessRoutes, createRoutes } from './routes.ts';
import { startShipper } from './shipper.ts';
import { createSessions } from './sessions.ts';
import { createSlots, type Capacity } from './slots.ts';
import { followSpace } from './space.ts';
import { createSupervision } from './supervise.ts';
import { startStorageLimits } from './storage.ts';
import { startSync } from './sync.ts';
import { makeSyncToken } from './sync-token.ts';
import { createTemplates } from './template.ts';
import { createUnhurried } from './unhurried.ts';
import { createVerbs } from './verbs.ts';
import { createVisits } from './visits.ts';
import { openVolume } from './volume.ts';
import { createWakeMemory } from './wakes.ts';

export interface AgentOptions {
  readonly host: string;
  /** Where the api reaches this agent. */
  readonly url: string;
  /** Root folder of the volume. */
  readonly volume: string;
  /** MiB of the volume that are kept for databases that are there. */
  readonly reserveMb: number;
  readonly run: string;
  /** Of this machine, for those of others; '' for none. */
  readonly gate: string;
  /** Folder of the Postgres installation. */
  readonly pg: string;
  /** Slots by size. */
  readonly slots: Readonly<Record<string, number>>;
  readonly apiUrls: readonly string[];
  /** Names of unix users, where the agent is root. */
  readonly proxyUser: string;
  readonly serviceUser: string;
  readonly locks: boolean;
  readonly client: JsonClient;
  readonly log: Logger;
}

export interface Agent {
  readonly routes: readonly HttpRoute[];
  /** What proxies ask about who may log in, at a socket that only they may enter. */
  readonly accessRoutes: readonly HttpRoute[];
  readonly proxyUid: number | undefined;
  /** The file whose disappearance means that the volume is gone. */
  readonly volumeFile: string;
  /** Settles what an earlier agent left, then takes work. */
  readonly adopt: () => Promise<void>;
  /** SIGKILL to all Postgres of this host. */
  readonly kill: () => void;
  /** Ends the agent; its Postgres live on. */
  readonly stop: () => Promise<void>;
}

function capacityOf(slots: Readonly<Record<string, number>>): Capacity {
  const capacity: Partial<Record<SizeName, number>> = {};
  for (const [size, count] of Object.entries(slots)) {
    if (!isSizeName(size))
      throw new ConfigError(
        `PILOTLIGHT_SLOTS names the size "${size}"; there are ${Object.keys(SIZES).join(', ')}`,
      );
    capacity[size] = count;
  }
  return capacity;
}

async function makeContext(
  options: AgentOptions,
): Promise<AgentContext & { readonly proxyUid: number | undefined }> {
  const { host, log, run } = options;
  if (!isHostId(host)) throw new ConfigError(`PILOTLIGHT_HOST_ID "${host}" is no DNS label`);
  const capacity = capacityOf(options.slots);
  const me = ownUser();
  const proxy = isRoot() ? await findUser(options.proxyUser, 'PILOTLIGHT_PROXY_USER') : me;
  const builder = isRoot()
    ? await findUser(options.serviceUser, 'PILOTLIGHT_SERVICE_USER')
    : undefined;
  const volume = await openVolume(options.volume);
  const space = await followSpace(volume.space, options.reserveMb * 1024 * 1024);
  const realLocks = createLocks({ enabled: true });
  const { boot, lock } = await beginBoot(volume, realLocks, host);
  const locks = options.locks ? realLocks : createLocks({ enabled: false });
  await makeRunFolder(run);
  const access = await writeAccessFiles(run, me, proxy);
  const pg = { folder: options.pg };
  const templates = createTemplates({ volume, locks, pg, builder });
  await templates.ensure();
  const identity = { host, boot, machine: machineBootId() };
  const directories = createDirectories({ volume, templates, me: identity });
  let kill = (): void => undefined;
  const fence = (): void => kill();
  const heartbeat = await startHeartbeat({ volume, host, boot, log, fence });
  const holdings = createHoldings({ volume, locks, directories, heartbeat, me: identity, log });
  const incarnations = createIncarnations({
    ...{ volume, run, pg, access, directories, holdings, log },
  });
  kill = incarnations.killAll;
  const context = {
    ...{ host, run, gate: options.gate, volume, space },
    slots: createSlots(capacity, boot),
    queues: createQueues(),
    unhurried: createUnhurried(),
    heartbeat,
    journal: await openJournal({ folder: volume.host(host).journal, host, boot, log }),
    identities: createIdentities(volume, locks),
    directories,
    holdings,
    incarnations,
    guests: createGuests(),
    visits: createVisits(volume, log),
    wakes: createWakeMemory(Date.now),
    log,
    ending: { now: false },
    hostLock: lock,
  };
  const proxyUid = isRoot() ? proxy.uid : undefined;
  return { ...context, roles: createRoles(context), proxyUid };
}

/**
 * @throws ConfigError for everything that a person has to set right.
 */
export async function createAgent(options: AgentOptions): Promise<Agent> {
  const { host, url, client, log, apiUrls } = options;
  const context = await makeContext(options);
  const { slots, volume, journal, heartbeat, space } = context;
  const supervision = createSupervision(context);
  const registry = createRegistry('host');
  addSpaceMetrics(registry, space);
  const { id, kind } = volume;
  const report = (): HostReport => ({
    ...slots.version(),
    host,
    url,
    sync_token: makeSyncToken(slots.version().boot),
    capacity: slots.capacity,
    slots: slots.report(),
    volume: { id, kind, ...space.current() },
  });
  let adopted = false;
  const stops: (() => Promise<void> | void)[] = [heartbeat.stop, space.stop, journal.close];

  async function adopt(): Promise<void> {
    const blanks = await adoptAll(context, supervision);
    adopted = true;
    slots.bump();
    const shipper = await startShipper({ journal, host, apiUrls, client, log });
    const { sawGeneration } = shipper;
    const sync = startSync({ host, apiUrls, client, slots, report, sawGeneration, log });
    addReportMetrics(registry, journal, sync.taken);
    const idle = startIdleTimer(context);
    const storage = startStorageLimits(context);
    stops.push(shipper.stop, sync.stop, idle.stop, storage.stop);
    void clearUp(context, blanks);
  }

  return {
    routes: createRoutes({
      verbs: createVerbs(context, supervision, report),
      slots,
      health: {
        isAdopted: () => adopted,
        isFenced: heartbeat.isFenced,
        isEnding: () => context.ending.now,
      },
      registry,
      metrics: createHostMetrics(registry, slots, heartbeat.isFenced),
      log,
    }),
    accessRoutes: createAccessRoutes(context.roles, createSessions(context)),
    proxyUid: context.proxyUid,
    volumeFile: volume.file,
    adopt,
    kill: context.incarnations.killAll,
    async stop() {
      context.ending.now = true;
      for (const stop of stops.reverse()) await stop();
    },
  };
}
