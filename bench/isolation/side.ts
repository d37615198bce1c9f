/** One of the two stacks of the bench, with its plane and with what its storms work on. */
import { setTimeout as delay } from 'node:timers/promises';
import { createFleetClient } from '../../dev/fleet-client.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { JsonClient } from '../../lib/json-client.ts';
import type { HostReport } from '../../model/wire.ts';
import { createCli, type TemporalCli } from '../cold/cli.ts';
import { createColdSide, type ColdSide } from '../cold/cold-side.ts';
import { startNaivePlane } from '../naive/plane.ts';
import type { PlaneName, StateName } from './samples.ts';
import { startStorm, type Storm } from './storm.ts';
import { makeSubjects } from './subjects.ts';

/** At 4 arrivals a second a database has 4 s to fall asleep before its next turn. */
const DATABASES = 16;
const SLOTS = 64;
const SETTINGS = { PILOTLIGHT_SLOTS: `small=${SLOTS},medium=32` };
const DELETIONS_PER_STORM = 6;
const IDLE_MS = 3_600_000;
const CALL_MS = 30_000;
const SLEEP_MS_MAX = 60_000;
const ENGINE_MS_MAX = 60_000;
const LOOK_MS = 100;

export interface Side {
  readonly client: JsonClient;
  /** Takes starts and suspends. */
  readonly url: string;
  readonly databases: readonly string[];
  /** @param storm which of its storms it is. */
  readonly enter: (state: StateName, storm: number) => Promise<void>;
  /** Back to quiet, with all databases asleep. @returns a line on the storm that has ended. */
  readonly leave: (state: StateName) => Promise<string | undefined>;
  readonly stop: () => Promise<void>;
}

export interface SideOptions {
  readonly plane: PlaneName;
  readonly program: string;
  /** How many there will be. */
  readonly storms: number;
  readonly signal: AbortSignal;
}

interface Plane {
  readonly cold: ColdSide;
  readonly url: string;
  readonly reset: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

async function waitEngine(cli: TemporalCli): Promise<void> {
  const deadline = Date.now() + ENGINE_MS_MAX;
  while (
    !(await cli.run('operator', 'cluster', 'health').then(
      () => true,
      () => false,
    ))
  ) {
    if (Date.now() > deadline) throw new ConfigError('the Temporal server is not ready again');
    await delay(LOOK_MS);
  }
}

type Agents = readonly { readonly url: string; readonly client: JsonClient }[];

/** By their agents, whoever has started them, until none of them is in a slot any more. */
async function putAllToSleep(agents: Agents, databases: readonly string[]): Promise<void> {
  const ours = new Set(databases);
  const deadline = Date.now() + SLEEP_MS_MAX;
  for (;;) {
    let awake = 0;
    for (const { url, client } of agents) {
      const { slots } = await client.call<HostReport>(`${url}/v1/state`, { timeoutMs: CALL_MS });
      for (const { database, epoch, state } of slots) {
        if (database === undefined || !ours.has(database)) continue;
        awake += 1;
        const body = { database, epoch, if_idle: false };
        if (state === 'running')
          await client.call(`${url}/v1/suspend`, { body, timeoutMs: CALL_MS });
      }
    }
    if (awake === 0) return;
    if (Date.now() > deadline) throw new ConfigError('a database does not fall asleep');
    await delay(LOOK_MS);
  }
}

async function startOurs(
  endpoints: Parameters<typeof createColdSide>[0],
  program: string,
): Promise<Plane> {
  const cold = await createColdSide(endpoints, program);
  cold.startServer();
  cold.startWorker();
  await cold.workerReady();
  // The reports of the agents tell the index within a second.
  return { cold, url: endpoints.api.url, reset: () => delay(1_500), stop: cold.stop };
}

export async function startSide(options: SideOptions): Promise<Side> {
  const { plane: name, program, storms, signal } = options;
  const settings = SETTINGS;
  const stack = await startTemporaryStack({ warm: 0, say: () => undefined, signal, settings });
  const { endpoints } = stack;
  const token = endpoints.api.tokens['operator'] ?? '';
  const client = createJsonClient(token);
  const agents = endpoints.hosts.map((host) => ({ ...host, client: createJsonClient(host.token) }));
  const closeClients = (): void => {
    for (const one of [client, ...agents.map((agent) => agent.client)]) one.close();
  };
  let plane: Plane | undefined;
  try {
    const fleet = createFleetClient(endpoints.api.url, token);
    const made: { readonly id: string; readonly epoch: number }[] = [];
    while (made.length < DATABASES) {
      const { id, epoch } = await fleet.create({ tenant: 'isolation', idle_ms: IDLE_MS });
      await fleet.suspend(id, epoch);
      made.push({ id, epoch });
    }
    fleet.close();
    const subjects = await makeSubjects(endpoints, storms, DELETIONS_PER_STORM);
    plane =
      name === 'ours'
        ? await startOurs(endpoints, program)
        : await startNaivePlane(endpoints, program, { slots: SLOTS, databases: made });
    const { cold, url, reset } = plane;
    const cli = createCli(program, cold.address);
    const databases = made.map(({ id }) => id);
    let storm: Storm | undefined;
    const enters: Readonly<Record<StateName, (n: number) => Promise<void>>> = {
      quiet: () => Promise.resolve(),
      async storm(n) {
        const workflows = [endpoints.home, program, cold.address, subjects, String(n)];
        storm = await startStorm({ endpoints, mark: cold.mark, workflows });
      },
      down: () => cold.killServer(),
    };
    return {
      client,
      url,
      databases,
      enter: (state, n) => enters[state](n),
      async leave(state) {
        const said = await storm?.stop(signal.aborted ? 'SIGKILL' : 'SIGTERM');
        storm = undefined;
        if (signal.aborted) return said;
        if (state === 'down') {
          cold.startServer();
          await waitEngine(cli);
        }
        await putAllToSleep(agents, databases);
        await reset();
        return said;
      },
      async stop() {
        await storm?.stop('SIGKILL');
        closeClients();
        await plane?.stop();
        await stack.stop();
      },
    };
  } catch (error) {
    closeClients();
    await plane?.stop();
    await stack.stop();
    throw error;
  }
}
