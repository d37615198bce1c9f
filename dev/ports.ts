/** Which port belongs to whom, counted from PILOTLIGHT_PORT_BASE, and whether they are free. */
import { createServer } from 'node:net';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf } from '../lib/errno.ts';

const OFFSETS = {
  hot: 21,
  cold: 22,
  temporal: 31,
  temporalUi: 32,
  workerHealth: 33,
  workerMetrics: 34,
  console: 41,
} as const;
/** What clients connect to, and the proxy's own HTTP. */
const PROXY_OFFSETS = [
  { sql: 0, health: 3 },
  { sql: 4, health: 5 },
] as const;
export const PROXIES_MAX = PROXY_OFFSETS.length;
/** Offsets 1 and 2; 3 is a proxy's. */
const FIRST_API_OFFSET = 1;
export const APIS_MAX = 2;
const FIRST_HOST_OFFSET = 11;
/** Offsets 11 to 19; 21 is hot Postgres'. */
export const HOSTS_MAX = 9;
/** One more than the highest offset in use, with room for what comes later. */
export const PORTS_SPAN = 50;

export interface Ports {
  /** Of proxy, proxy-2. */
  readonly proxies: readonly { readonly sql: number; readonly health: number }[];
  /** Of api, api-2. */
  readonly apis: readonly number[];
  readonly hot: number;
  readonly cold: number;
  /** Temporal's gRPC and its UI. */
  readonly temporal: number;
  readonly temporalUi: number;
  /** The worker's own HTTP, and the metrics of Temporal's SDK in it. */
  readonly workerHealth: number;
  readonly workerMetrics: number;
  readonly console: number;
  /** Of host-1, host-2, … */
  readonly hosts: readonly number[];
}

export interface Counts {
  readonly hosts: number;
  /** Default 1. */
  readonly apis?: number | undefined;
  /** Default 1. */
  readonly proxies?: number | undefined;
}

export function portsFrom(base: number, { hosts, apis = 1, proxies = 1 }: Counts): Ports {
  const from = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => base + first + i);
  return {
    proxies: PROXY_OFFSETS.slice(0, proxies).map(({ sql, health }) => ({
      sql: base + sql,
      health: base + health,
    })),
    apis: from(FIRST_API_OFFSET, apis),
    hot: base + OFFSETS.hot,
    cold: base + OFFSETS.cold,
    temporal: base + OFFSETS.temporal,
    temporalUi: base + OFFSETS.temporalUi,
    workerHealth: base + OFFSETS.workerHealth,
    workerMetrics: base + OFFSETS.workerMetrics,
    console: base + OFFSETS.console,
    hosts: from(FIRST_HOST_OFFSET, hosts),
  };
}

/** What management needs besides: it looks for itself, so that the hot path starts without them. */
export const managementPorts = (ports: Ports): readonly number[] => [
  ports.temporal,
  ports.temporalUi,
  ports.workerHealth,
  ports.workerMetrics,
  ports.console,
];

export const hotPorts = (ports: Ports): readonly number[] => [
  ...ports.proxies.flatMap(({ sql, health }) => [sql, health]),
  ...ports.apis,
  ...ports.hosts,
  ports.hot,
  ports.cold,
];

export const allPorts = (ports: Ports): readonly number[] => [
  ...hotPorts(ports),
  ...managementPorts(ports),
];

/** @returns undefined if the port is free, else the errno of trying to listen on it. */
async function probe(port: number, bind: string): Promise<string | undefined> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, bind, resolve);
    });
    await new Promise((resolve) => server.close(resolve));
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

/** @throws ConfigError naming the first port that can not be had, and what to do. */
export async function checkPorts(wanted: readonly number[], bind: string): Promise<void> {
  const answers = await Promise.all(wanted.map((port) => probe(port, bind)));
  for (const [i, errno] of answers.entries()) {
    if (errno === undefined) continue;
    const why =
      errno === 'EADDRINUSE' ? 'is taken by another program' : `can not be had (${errno})`;
    throw new ConfigError(
      `port ${wanted[i]} on ${bind} ${why}; set PILOTLIGHT_PORT_BASE to start the ports elsewhere`,
    );
  }
}

/** Ports for a temporary stack: below the range from which the kernel takes ports of clients. */
const TEMPORARY_MIN = 20_000;
const TEMPORARY_MAX = 32_000;

/** Finds a base whose ports are all free now. @throws ConfigError after 20 tries. */
export async function findPortBase(hosts: number, bind: string): Promise<number> {
  const steps = (TEMPORARY_MAX - TEMPORARY_MIN) / PORTS_SPAN;
  for (let tries = 0; tries < 20; tries++) {
    const base = TEMPORARY_MIN + Math.floor(Math.random() * steps) * PORTS_SPAN;
    const ports = portsFrom(base, { hosts, apis: APIS_MAX, proxies: PROXIES_MAX });
    const answers = await Promise.all(allPorts(ports).map((port) => probe(port, bind)));
    if (answers.every((errno) => errno === undefined)) return base;
  }
  throw new ConfigError(`no free ports were found from ${TEMPORARY_MIN} to ${TEMPORARY_MAX}`);
}
