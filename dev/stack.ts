/**
 * The whole hot path on this machine: two control servers, api, host agents on one shared volume,
 * proxy. `npm start`, the demo, the benches and the tests all start it here.
 */
import { ConfigError } from '../lib/config-error.ts';
import { watchHome } from '../lib/watch-home.ts';
import {
  apiCommand,
  apiName,
  apiUrl,
  controlUrl,
  healthUrl,
  hostName,
  hostUrl,
  keeperCommand,
  proxyAddress,
  proxyCommand,
  proxyName,
  type Plan,
} from './commands.ts';
import { startControl } from './control.ts';
import { provideDemo, type DemoDatabase } from './demo-database.ts';
import { writeEndpoints, type Endpoints } from './endpoints.ts';
import { startFencer } from './fencer.ts';
import { openHome, volumeOf, type Home } from './home.ts';
import { adoptableHosts, agentOf, processesOfHost, startHost } from './hosts.ts';
import { clearLeftovers } from './leftovers.ts';
import { checkMachine, makePlan, type StackOptions } from './plan.ts';
import { startManagement, type ManagementReady } from './management.ts';
import { checkPorts, hotPorts } from './ports.ts';
import { identify, signal, type ProcessId } from './process-table.ts';
import { waitReady } from './ready.ts';
import { readRecords, type ProcessRecords } from './records.ts';
import { startRefill } from './refill.ts';
import { createRunning, endVanished, stopAll, type Running } from './running.ts';
import type { Startable } from './supervisor.ts';

export interface Stack {
  readonly endpoints: Endpoints;
  /** Temporal and the workers, some time after the hot path; undefined if there are none. */
  readonly management: Promise<ManagementReady | undefined>;
  /** Process ids by name, as of now. */
  readonly processes: () => Readonly<Record<string, number>>;
  /** @returns false if that process does not run now. */
  readonly kill: (name: string, signal: NodeJS.Signals) => boolean;
  /** The same for a host and all that it runs. */
  readonly killWhole: (host: string, signal: NodeJS.Signals) => void;
  /** Kills a process (of a host in namespaces: the whole host) and keeps it away until `release`. */
  readonly hold: (name: string) => Promise<boolean>;
  readonly release: (name: string) => Promise<void>;
  /** Stops everything in order within 10 s; a temporary home is removed. */
  readonly stop: () => Promise<void>;
}

const WARM_DEFAULT = 2;
type Adopted = Readonly<Record<string, ProcessId | undefined>>;

/** Starts all processes side by side; the first that can not start ends the waiting of the others. */
async function startProcesses(running: Running, adopted: Adopted): Promise<void> {
  const { plan, supervisor, options } = running;
  const failed = new AbortController();
  options.signal?.addEventListener('abort', () => failed.abort());

  async function startServer(command: Startable, url: string): Promise<void> {
    await supervisor.start(command);
    await waitReady(running.api, { ...command, url, signal: failed.signal });
  }
  async function step(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      if (!failed.signal.aborted) options.say(`${what} is ready`);
    } catch (error) {
      failed.abort();
      throw error;
    }
  }
  async function hotAndApi(): Promise<void> {
    await step('hot Postgres', () => startControl(plan, supervisor, 'hot'));
    const apis = plan.ports.apis.map((_, index) =>
      step(apiName(index), () => startServer(apiCommand(plan, index), apiUrl(plan, index))),
    );
    await Promise.all(apis);
  }

  const until = options.temporary === true ? identify(process.pid) : undefined;
  const steps = [
    supervisor.start(keeperCommand(plan, until)),
    hotAndApi(),
    step('cold Postgres', () => startControl(plan, supervisor, 'cold')),
    ...plan.ports.proxies.map((_, index) =>
      step(proxyName(index), () => startServer(proxyCommand(plan, index), healthUrl(plan, index))),
    ),
    ...plan.ports.hosts.map((_, index) => {
      const name = hostName(index);
      const deps = { plan, supervisor, client: running.agents };
      return step(name, () => startHost(deps, index, adopted[name], failed.signal));
    }),
  ];
  const outcomes = await Promise.allSettled(steps);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  if (options.signal?.aborted) throw new ConfigError('stopped before it was ready');
}

function endpointsOf(running: Running, demo: DemoDatabase | undefined): Endpoints {
  const { plan } = running;
  const { secrets, ports } = plan;
  const runner = identify(process.pid);
  if (runner === undefined) throw new Error('BUG: this process is not in /proc');
  const tokens = {
    operator: secrets.api_token_operator,
    create: secrets.api_token_create,
    cold: secrets.api_token_cold,
  };
  return {
    home: plan.home.home,
    runner,
    ready_at: new Date().toISOString(),
    proxy: {
      host: plan.bind,
      port: ports.proxies[0]?.sql ?? 0,
      ports: ports.proxies.map(({ sql }) => sql),
      health_url: healthUrl(plan),
      certificate: plan.certificate.cert,
    },
    api: { url: apiUrl(plan), urls: ports.apis.map((_, index) => apiUrl(plan, index)), tokens },
    hosts: ports.hosts.map((_, index) => ({
      id: hostName(index),
      url: hostUrl(plan, index),
      token: secrets.agent_token_operator,
    })),
    volume: volumeOf(plan.home),
    hot_url: controlUrl(plan, 'hot'),
    cold_url: controlUrl(plan, 'cold'),
    management: null,
    demo: demo ?? null,
    processes: processesOf(running),
  };
}

function findProcess(running: Running, name: string): ProcessId | undefined {
  const index = running.plan.ports.hosts.findIndex((_, i) => hostName(i) === name);
  return index >= 0 ? agentOf(running, index) : running.supervisor.find(name);
}

function processesOf(running: Running): Readonly<Record<string, number>> {
  const names = Object.keys(running.supervisor.running());
  return Object.fromEntries(
    names.flatMap((name) => {
      const id = findProcess(running, name);
      return id === undefined ? [] : [[name, id.pid]];
    }),
  );
}

/** What an earlier runner of this home left is ended, or is fit to be adopted. */
async function takeOver(plan: Plan, options: StackOptions): Promise<Adopted> {
  const records: ProcessRecords = readRecords(plan.home.file('processes.json'));
  const keep = adoptableHosts(plan, records);
  const { ended } = await clearLeftovers(plan.home, records, keep);
  if (ended > 0) options.say(`ended ${ended} processes that an earlier run had left`);
  const kept = new Set(keep);
  const hosts = plan.ports.hosts.filter((_, index) => !kept.has(hostName(index)));
  await checkPorts(hotPorts({ ...plan.ports, hosts }), plan.bind);
  return Object.fromEntries(keep.map((name) => [name, records[name]]));
}

async function startIn(home: Home, options: StackOptions): Promise<Stack> {
  const plan = await makePlan(home, options);
  const adopted = await takeOver(plan, options);
  let refresh = (): void => undefined;
  const running = createRunning(plan, options, () => refresh());
  const { supervisor, agents } = running;
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll(running));
  try {
    const watch = watchHome(home.watch, () => {
      stopping ??= endVanished(running);
    });
    running.cleanups.push(watch.stop);
    await startProcesses(running, adopted);
    const demo = options.demo === true ? await demoOf(running) : undefined;
    const endpoints = endpointsOf(running, demo);
    let written = writeEndpoints(endpoints);
    await written;
    let managed: ManagementReady | undefined;
    refresh = () => {
      if (stopping !== undefined) return;
      const management = managed ?? null;
      const now = { ...endpoints, management, processes: processesOf(running) };
      written = written.then(() => (stopping === undefined ? writeEndpoints(now) : undefined));
      written.catch((error: unknown) => options.say(`endpoints.json: ${String(error)}`));
    };
    running.cleanups.push(startFencer({ plan, supervisor, agents, say: options.say }));
    const stopRefill = refill(running);
    const management = manage(running).then((ready) => {
      managed = ready;
      if (ready === undefined) return undefined;
      stopRefill();
      options.say('warm slots are kept ready by poolReplenishment from now on');
      refresh();
      return written.then(
        () => ready,
        () => ready,
      );
    });
    return {
      endpoints,
      management,
      processes: () => processesOf(running),
      kill(name, with_) {
        const id = findProcess(running, name);
        return id !== undefined && signal(id, with_);
      },
      killWhole(host, with_) {
        const index = plan.ports.hosts.findIndex((_, i) => hostName(i) === host);
        for (const one of processesOfHost(running, index)) signal(one, with_);
      },
      hold: running.supervisor.hold,
      release: running.supervisor.release,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function demoOf(running: Running): Promise<DemoDatabase> {
  const { plan } = running;
  return provideDemo({
    client: running.api,
    apiUrl: apiUrl(plan),
    file: plan.home.file('demo.json'),
    proxyAddress: proxyAddress(plan),
  });
}

/** Until management has taken over. */
function refill(running: Running): () => void {
  const target = running.options.warm ?? WARM_DEFAULT;
  if (target === 0) return () => undefined;
  const hosts = running.plan.ports.hosts.map((_, index) => hostUrl(running.plan, index));
  const { agents: client, options } = running;
  const { stop } = startRefill({ client, hosts, target, say: options.say });
  running.cleanups.push(stop);
  return stop;
}

async function manage(running: Running): Promise<ManagementReady | undefined> {
  const { plan, supervisor, api: client, options } = running;
  if (options.management !== 'auto') return undefined;
  running.management = startManagement({ plan, supervisor, client, say: options.say });
  return running.management.ready;
}

/**
 * Starts a stack and returns when it is ready.
 * @throws ConfigError with one sentence for people; whatever had been started is stopped by then.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  await checkMachine(options);
  const home = await openHome(options.home);
  try {
    return await startIn(home, options);
  } catch (error) {
    await home.release();
    throw error;
  }
}
