/**
 * A fleet in one process that a test can stop anywhere: two apis with their routes, views and flights,
 * the real SQL, and simulated hosts behind the real routes of agents. Every request and every answer
 * between them waits at a gate, and so does an agent wherever it waits for a disk or for Postgres.
 */
import { createAdopter } from '../../api/adopt.ts';
import { createAgents } from '../../api/agents.ts';
import type { Context } from '../../api/context.ts';
import { createGeneration } from '../../api/generation.ts';
import { createMetrics } from '../../api/metrics.ts';
import { createRoom } from '../../api/room.ts';
import { createStarter } from '../../api/start.ts';
import { createTenants } from '../../api/tenants.ts';
import { assignmentSweep } from '../../db/hot/assignment-sweep.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { resyncFind } from '../../db/hot/resync-find.ts';
import { createSimHost, type SimHost } from '../../host/sim.ts';
import { createSimVolume, type SimVolume } from '../../host/sim-volume.ts';
import type { HttpRoute } from '../../lib/http-server.ts';
import type { CallOptions, JsonClient } from '../../lib/json-client.ts';
import { createLogger } from '../../lib/log.ts';
import { AppError } from '../../model/errors.ts';
import { createFleet } from '../../model/fleet.ts';
import { run } from '../support/rows.ts';
import { createActivity, createGates, type Activity, type Gates } from './gates.ts';

const HOSTS = ['host-1', 'host-2'] as const;
export const SLOTS = 3;
/** The clock of the apis runs so much faster, so that patience and silence end within a test. */
const CLOCK = 10;
const PATIENCE_MS = 1_500;

/** What an api has of the index: all; nothing; or its statements are done and the answers lost. */
export const INDEX_WAYS = ['there', 'away', 'mute'] as const;

export interface Api {
  readonly context: Context;
  readonly index: { way: (typeof INDEX_WAYS)[number] };
  /** Dies: what it has under way is never heard of again. */
  readonly kill: () => void;
}

export interface World {
  readonly hot: Hot;
  readonly volume: SimVolume;
  readonly gates: Gates;
  readonly activity: Activity;
  readonly hosts: readonly SimHost[];
  readonly apis: Api[];
  readonly busy: Set<string>;
  readonly newApi: () => Api;
  /** Each transition is past its deadline. */
  readonly expire: () => Promise<void>;
}

const log = createLogger('test', 'silent');

interface Reached {
  readonly host: SimHost;
  readonly routes: readonly HttpRoute[];
}

function match(pattern: string, path: string): Record<string, string> | undefined {
  const [want, have] = [pattern.split('/'), path.split('/')];
  if (want.length !== have.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of want.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = have[i] ?? '';
    else if (part !== have[i]) return undefined;
  }
  return params;
}

/** The network between an api and the agents: gates on the way there and back. */
function createNetwork(gates: Gates, reached: readonly Reached[]): JsonClient {
  async function deliver(path: string, routes: readonly HttpRoute[], options: CallOptions) {
    const method = options.method ?? (options.body === undefined ? 'GET' : 'POST');
    for (const route of routes) {
      const params = route.method === method ? match(route.path, path) : undefined;
      if (params === undefined) continue;
      const body: unknown =
        options.body === undefined ? undefined : JSON.parse(JSON.stringify(options.body));
      return route.handle({ params, body, requestId: 'test' });
    }
    throw new Error(`BUG: no route for ${method} ${path}`);
  }
  return {
    async call<T>(url: string, options: CallOptions): Promise<T> {
      const { host: name, pathname } = new URL(url);
      const found = reached.find(({ host }) => host.host === name);
      if (found === undefined) throw new Error(`BUG: no host at ${url}`);
      await gates.wait(`to ${name} ${pathname}`);
      try {
        return (await deliver(pathname, found.routes, options)) as T;
      } catch (error) {
        if (error instanceof AppError) throw error;
        // What a caller sees of a bug over there; the test sees the bug itself.
        throw new Error(`a bug in a simulated agent`, { cause: error });
      } finally {
        await gates.wait(`from ${name} ${pathname}`);
      }
    },
    close: () => undefined,
  };
}

/** An answer to somebody who has died comes never. */
function mortal(isDead: () => boolean) {
  const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (isDead()) return never();
    try {
      const result = await work();
      return isDead() ? await never<T>() : result;
    } catch (error) {
      if (isDead()) return never();
      throw error;
    }
  };
}

interface ApiParts {
  readonly hot: Hot;
  readonly network: JsonClient;
  readonly activity: Activity;
}

function createApi({ hot, network, activity }: ApiParts): Api {
  let dead = false;
  const live = mortal(() => dead);
  const now = (): number => performance.now() * CLOCK;
  const index: Api['index'] = { way: 'there' };
  const reach = <T>(work: () => Promise<T>): Promise<T> =>
    live(() =>
      activity.during(async () => {
        if (index.way === 'away') throw new AppError('unavailable');
        const done = await work();
        // As it was when the statement came to its end.
        if (index.way !== 'there') throw new AppError('unavailable');
        return done;
      }),
    );
  const mine: Hot = {
    quick: (statement, values) => reach(() => hot.quick(statement, values)),
    gather: (gathered, values) => reach(() => hot.gather(gathered, values)),
    durable: (statement, values) => reach(() => hot.durable(statement, values)),
    close: () => Promise.resolve(),
  };
  const client: JsonClient = {
    call: (url, options) => live(() => network.call(url, options)),
    close: () => undefined,
  };
  const fleet = createFleet(Math.random);
  const agents = createAgents(client, fleet);
  const shared = { room: createRoom(now), tenants: createTenants(mine, now) };
  const parts = { hot: mine, fleet, agents, log, now, ...shared };
  const starter = createStarter({ ...parts, patienceMs: PATIENCE_MS });
  const generation = createGeneration(mine, now);
  const context: Context = {
    ...parts,
    starter,
    metrics: createMetrics({ fleet, starter }),
    generation,
    adopter: createAdopter(parts, generation),
    fleetSecret: 'only-for-tests',
    proxyAddress: '127.0.0.1:1',
  };
  return { context, index, kill: () => void (dead = true) };
}

const EXPIRE = `
  update assignment set deadline = now() - interval '1 s' where deadline is not null`;
const TABLES = ['assignment', 'event', 'slot_vacant', 'slot_warm', 'resync', 'host', 'database'];

/** An empty fleet on an empty index. */
export async function createWorld(hot: Hot): Promise<World> {
  for (const table of [...TABLES, 'tenant']) await run(hot, `delete from ${table}`);
  const gates = createGates();
  const activity = createActivity();
  const volume = createSimVolume();
  const busy = new Set<string>();
  const hosts = HOSTS.map((host) =>
    createSimHost({
      host,
      url: `http://${host}`,
      capacity: { small: SLOTS },
      volume,
      pace: (step) => gates.wait(`${host} ${step}`),
      isBusy: (database) => busy.has(database),
    }),
  );
  const network = createNetwork(
    gates,
    hosts.map((host) => ({ host, routes: host.routes(log) })),
  );
  const newApi = (): Api => createApi({ hot, network, activity });
  const apis = [newApi(), newApi()];
  return {
    ...{ hot, volume, gates, activity, hosts, busy, newApi, apis },
    async expire() {
      await run(hot, EXPIRE);
      await assignmentSweep(hot, '');
      for (const host of await resyncFind(hot))
        for (const { context } of apis) context.fleet.resync(host);
    },
  };
}
