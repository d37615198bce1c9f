/** One of the two stacks of the bench: its hot path, and a cold plane in the bench's hand. */
import { connect } from '../../db/client.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions } from '../../lib/json-client.ts';
import type { CreateAnswer } from '../../model/wire.ts';
import { createColdSide, type ColdSide } from '../cold/cold-side.ts';
import { purge } from '../purge.ts';

export const VERBS = ['create', 'connect', 'route', 'suspend', 'start'] as const;
export type Verb = (typeof VERBS)[number];

/** Milliseconds, or what went wrong. */
export type Took = number | string;

export interface Arm {
  readonly cold: ColdSide;
  /** Every verb once, one after another, on a database of its own that is gone afterwards. */
  readonly round: () => Promise<Readonly<Record<Verb, Took>>>;
  readonly stop: () => Promise<void>;
}

/** What a caller of the api, or a driver, waits at most. */
const CALL_MS = 5_000;
const IDLE_MS = 3_600_000;

async function timed<T>(work: () => Promise<T>): Promise<{ took: Took; value: T | undefined }> {
  const began = performance.now();
  try {
    const value = await work();
    return { took: performance.now() - began, value };
  } catch (error) {
    const { code = '' } = error as { code?: string };
    return { took: `${code} ${error instanceof Error ? error.message : ''}`, value: undefined };
  }
}

async function visit(url: string): Promise<void> {
  const client = await connect(url, { connectTimeoutMs: CALL_MS, onError: () => undefined });
  await client.query('select 1');
  await client.end();
}

/**
 * The stock of warm slots is nobody's here: it would differ between the two arms as soon as nobody
 * refills one of them, and decide the figure of create. Creates are clones in both.
 */
async function keepNoStock({ cold_url }: Endpoints): Promise<void> {
  const client = await connect(cold_url);
  await client.query('update pool_target set warm_per_host = 0');
  await client.end();
}

export async function startArm(program: string, signal: AbortSignal): Promise<Arm> {
  const stack = await startTemporaryStack({ warm: 0, say: () => undefined, signal });
  const { endpoints } = stack;
  const { url } = endpoints.api;
  const client = createJsonClient(endpoints.api.tokens['operator'] ?? '');
  const agents = endpoints.hosts.map((host) => ({ ...host, client: createJsonClient(host.token) }));
  const call = <T>(path: string, options: Partial<CallOptions> = {}): Promise<T> =>
    client.call<T>(`${url}/v1/databases${path}`, { timeoutMs: CALL_MS, ...options });
  await keepNoStock(endpoints);
  const cold = await createColdSide(endpoints, program);

  /** Not measured: the databases of a run would fill the disk. */
  async function remove(id: string): Promise<void> {
    await call(`/${id}`, { method: 'DELETE', timeoutMs: 30_000 });
    await purge(agents, id);
  }

  async function round(): Promise<Readonly<Record<Verb, Took>>> {
    const create = await timed(() =>
      call<CreateAnswer>('', { body: { tenant: 'outage', idle_ms: IDLE_MS } }),
    );
    const made = create.value;
    const without = { took: 'no database', value: undefined };
    const on = (work: (of: CreateAnswer) => Promise<unknown>) =>
      made === undefined ? Promise.resolve(without) : timed(() => work(made));
    const connected = await on((of) => visit(of.connection_string));
    const route = await on((of) => call(`/${of.id}/route`));
    const suspend = await on((of) => call(`/${of.id}/suspend`, { body: { epoch: of.epoch } }));
    const start = await on((of) => call(`/${of.id}/start`, { body: {} }));
    if (made !== undefined) await remove(made.id);
    return {
      create: create.took,
      connect: connected.took,
      route: route.took,
      suspend: suspend.took,
      start: start.took,
    };
  }

  return {
    cold,
    round,
    async stop() {
      await cold.stop();
      client.close();
      for (const agent of agents) agent.client.close();
      await stack.stop();
    },
  };
}
