/**
 * A simulated host: the contract of a host agent without any process, for benches and tests of the
 * fleet's size and for model-based tests. Whatever figure it has a part in says so.
 *
 * The machine outlives its agents, as Postgres outlives a real one: an agent can die and the next
 * one, with a higher boot, adopts what lives.
 */
import type { Server } from 'node:http';
import type { JsonClient } from '../lib/json-client.ts';
import { createJsonServer, type HttpRoute } from '../lib/http-server.ts';
import type { Logger } from '../lib/log.ts';
import { createRegistry } from '../lib/metrics.ts';
import type { TokenTable } from '../lib/callers.ts';
import { BODY_BYTES_MAX } from '../model/limits.ts';
import type { HostReport } from '../model/wire.ts';
import type { AgentVerbs } from './contract.ts';
import { createHostMetrics } from './metrics.ts';
import { createQueues } from './queues.ts';
import { createRoutes } from './routes.ts';
import { startShipper } from './shipper.ts';
import { createFaults, type Faults } from './sim-faults.ts';
import { newJournalStore, openSimJournal, type SimJournalStore } from './sim-journal.ts';
import { endRun, gone, note, type SimAgent, type SimStep } from './sim-runs.ts';
import { createSimVerbs } from './sim-verbs.ts';
import type { SimVolume } from './sim-volume.ts';
import { createSlots, type Capacity, type Slot } from './slots.ts';
import { startSync } from './sync.ts';
import { makeSyncToken } from './sync-token.ts';

export interface SimHostOptions {
  readonly host: string;
  readonly url: string;
  readonly capacity: Capacity;
  readonly volume: SimVolume;
  /** The first boot; each further agent counts up. Default 1. */
  readonly firstBoot?: number;
  /** Called where a real agent waits; default: nobody waits. */
  readonly pace?: (step: SimStep) => Promise<void>;
  readonly isBusy?: (database: string) => boolean;
}

export interface SimHost {
  readonly host: string;
  /** As callers reach them: faults befall them, and a dead agent answers nothing. */
  readonly verbs: AgentVerbs;
  readonly faults: Faults;
  /** What the agent would report now; undefined while there is none. */
  readonly report: () => HostReport | undefined;
  readonly journal: SimJournalStore;
  /** The agent dies. What runs lives on. */
  readonly crashAgent: () => void;
  /** The machine dies, and its agent with it; its heartbeat stands still. */
  readonly crashMachine: () => void;
  /** The next agent: a higher boot, and what lives is adopted. */
  readonly boot: () => void;
  /** A run ends by itself and is started again in place, as the next epoch. */
  readonly crashPostgres: (database: string) => void;
  /** What an agent does by itself each second: what runs of a deleted database is ended. */
  readonly tick: () => Promise<void>;
  /** A run lives on and answers nobody. */
  readonly hangPostgres: (database: string) => void;
  /** The contract's HTTP surface, for whoever serves it or calls it without HTTP. */
  readonly routes: (log: Logger) => readonly HttpRoute[];
  /** Serves the contract of the agent that lives now, syncs and ships as a real agent does. @returns what ends that. */
  readonly serve: (options: ServeOptions) => Promise<{ server: Server; stop: () => Promise<void> }>;
}

export interface ServeOptions {
  readonly apiUrls: readonly string[];
  readonly client: JsonClient;
  readonly tokens: TokenTable;
  readonly log: Logger;
}

/** What the machine keeps from one agent to the next. */
interface Machine extends SimHostOptions {
  readonly journal: SimJournalStore;
  readonly faults: Faults;
  boots: number;
  agent: SimAgent | undefined;
  verbs: AgentVerbs | undefined;
}

/** As the idle timer of a real agent. */
const TICK_MS = 1_000;
const VOLUME_BYTES = 1024 ** 4;

function reportOf(machine: Machine, { slots }: SimAgent): HostReport {
  const { host, url, capacity } = machine;
  const space = { free_bytes: VOLUME_BYTES, total_bytes: VOLUME_BYTES };
  return {
    ...slots.version(),
    host,
    url,
    sync_token: makeSyncToken(slots.version().boot),
    capacity,
    slots: slots.report(),
    volume: { id: machine.volume.id, kind: 'shared', ...space },
  };
}

/** Settles what an earlier agent left: adopts what lives, releases what does not. */
function adopt(agent: SimAgent): void {
  const { host, volume, slots } = agent;
  for (const directory of volume.directories()) {
    const { id, epoch, process } = directory;
    const database = volume.databaseOf(id);
    const named = database === undefined ? {} : { database };
    if (process?.host === host) {
      const { size, slot } = process;
      const state: Slot['state'] = database === undefined ? 'warm' : 'running';
      const address = { socket: `/run/simulated/${id}.${epoch}`, port: 5432 };
      slots.occupy({ ...{ size, slot, state, directory: id, epoch, address }, ...named });
    } else if (directory.host === host && !directory.released && process === undefined) {
      directory.released = true;
      note(agent, 'released', { directory: id, epoch, size: 'small', ...named });
    }
  }
}

function boot(machine: Machine): void {
  const { host, capacity, volume, journal, pace, isBusy } = machine;
  machine.boots += 1;
  const number = machine.boots;
  const agent: SimAgent = {
    ...{ host, volume, boot: number, dead: false, ending: false, fenced: false },
    slots: createSlots(capacity, number),
    queues: createQueues(),
    journal: openSimJournal(journal, host, number),
    pace: pace ?? (() => Promise.resolve()),
    isBusy: isBusy ?? (() => false),
  };
  volume.still.delete(host);
  adopt(agent);
  agent.slots.bump();
  machine.agent = agent;
  machine.verbs = createSimVerbs(agent, () => reportOf(machine, agent));
}

function crashAgent(machine: Machine): void {
  const { agent, volume, host } = machine;
  if (agent === undefined) return;
  agent.dead = true;
  machine.agent = undefined;
  machine.verbs = undefined;
  // The kernel frees what nobody else holds.
  for (const directory of volume.directories())
    if (directory.takenBy?.host === host) directory.takenBy = undefined;
}

function crashMachine(machine: Machine): void {
  crashAgent(machine);
  for (const directory of machine.volume.directories())
    if (directory.process?.host === machine.host) directory.process = undefined;
  machine.volume.still.add(machine.host);
}

function runningSlot(machine: Machine, database: string) {
  const slot = machine.agent?.slots.byDatabase(database);
  const directory = slot === undefined ? undefined : machine.volume.directory(slot.directory);
  const process = directory?.process;
  const mine = slot?.state === 'running' && process?.host === machine.host;
  return mine && directory !== undefined && process !== undefined
    ? { slot, directory, process }
    : undefined;
}

function crashPostgres(machine: Machine, database: string): void {
  const { agent } = machine;
  const found = runningSlot(machine, database);
  if (agent === undefined || found === undefined) return;
  const { slot, directory, process } = found;
  note(agent, 'crashed', slot);
  const epoch = slot.epoch + 1;
  directory.epoch = epoch;
  directory.process = { ...process, epoch, answers: true };
  const address = { socket: `/run/simulated/${slot.directory}.${epoch}`, port: 5432 };
  agent.slots.update({ ...slot, epoch, address });
  note(agent, 'started', { ...slot, epoch }, 'after a crash');
}

async function tick({ agent }: Machine): Promise<void> {
  for (const slot of agent?.slots.all() ?? []) {
    if (agent === undefined || slot.state !== 'running' || slot.database === undefined) continue;
    if (typeof agent.volume.identity(slot.database)?.deleted_at !== 'string') continue;
    await agent.queues.run(slot.database, async () => {
      const current = agent.slots.get(slot);
      if (agent.dead || current?.state !== 'running' || current.epoch !== slot.epoch) return;
      await endRun(agent, current, 'suspended', 'deleted');
    });
  }
}

/** A verb as callers reach it. */
function reach<A extends unknown[], T>(
  machine: Machine,
  name: keyof AgentVerbs,
  pick: (verbs: AgentVerbs) => (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  return (...args) =>
    machine.faults.around(name, async () => {
      if (machine.verbs === undefined) throw gone();
      return pick(machine.verbs)(...args);
    });
}

function reachVerbs(machine: Machine): AgentVerbs {
  return {
    attach: reach(machine, 'attach', (verbs) => verbs.attach),
    create: reach(machine, 'create', (verbs) => verbs.create),
    suspend: reach(machine, 'suspend', (verbs) => verbs.suspend),
    warm: reach(machine, 'warm', (verbs) => verbs.warm),
    recycle: reach(machine, 'recycle', (verbs) => verbs.recycle),
    apply: reach(machine, 'apply', (verbs) => verbs.apply),
    purge: reach(machine, 'purge', (verbs) => verbs.purge),
    awake: reach(machine, 'awake', (verbs) => verbs.awake),
    readIdentity: reach(machine, 'readIdentity', (verbs) => verbs.readIdentity),
    listIdentities: reach(machine, 'listIdentities', (verbs) => verbs.listIdentities),
    replaceIdentity: reach(machine, 'replaceIdentity', (verbs) => verbs.replaceIdentity),
    shutDown: reach(machine, 'shutDown', (verbs) => verbs.shutDown),
    report() {
      if (machine.verbs === undefined) throw gone();
      return machine.verbs.report();
    },
  };
}

/** The real agent's routes, over whichever agent lives. */
function routesOf(machine: Machine, verbs: AgentVerbs, log: Logger): readonly HttpRoute[] {
  const registry = createRegistry('host');
  const isFenced = (): boolean => machine.agent?.fenced === true;
  const all = (): readonly Slot[] => machine.agent?.slots.all() ?? [];
  return createRoutes({
    verbs,
    slots: { bump: () => machine.agent?.slots.bump() ?? { boot: 0, version: 0 } },
    health: {
      isAdopted: () => machine.agent !== undefined,
      isFenced,
      isEnding: () => machine.agent?.ending === true,
    },
    metrics: createHostMetrics(registry, { all }, isFenced),
    registry,
    log,
  });
}

async function serve(machine: Machine, routes: readonly HttpRoute[], options: ServeOptions) {
  const { agent, host } = machine;
  if (agent === undefined) throw new Error('BUG: a host is served before its first boot');
  const { apiUrls, client, tokens, log } = options;
  const { slots, journal } = agent;
  const shipper = await startShipper({ journal, host, apiUrls, client, log });
  const { sawGeneration } = shipper;
  const report = (): HostReport => reportOf(machine, agent);
  const timer = setInterval(() => void tick(machine), TICK_MS);
  const sync = startSync({ host, apiUrls, client, slots, report, sawGeneration, log });
  return {
    server: createJsonServer({ routes, tokens, bodyBytesMax: BODY_BYTES_MAX, log }),
    async stop() {
      clearInterval(timer);
      sync.stop();
      await shipper.stop();
    },
  };
}

/** A simulated machine with its first agent. */
export function createSimHost(options: SimHostOptions): SimHost {
  const machine: Machine = {
    ...options,
    ...{ journal: newJournalStore(), faults: createFaults() },
    ...{ boots: (options.firstBoot ?? 1) - 1, agent: undefined, verbs: undefined },
  };
  boot(machine);
  const verbs = reachVerbs(machine);
  return {
    host: machine.host,
    verbs,
    faults: machine.faults,
    journal: machine.journal,
    report: () => machine.verbs?.report(),
    crashAgent: () => crashAgent(machine),
    crashMachine: () => crashMachine(machine),
    boot: () => boot(machine),
    crashPostgres: (database) => crashPostgres(machine, database),
    tick: () => tick(machine),
    hangPostgres(database) {
      const found = runningSlot(machine, database);
      if (found !== undefined) found.process.answers = false;
    },
    routes: (log) => routesOf(machine, verbs, log),
    serve: (serving) => serve(machine, routesOf(machine, verbs, serving.log), serving),
  };
}
