/** Replenishment of warm slots: what it is told, what it sees, and the plan that follows. */
import type { SizeName } from '../sizes.ts';

/** Input of workflow `poolReplenishment`. */
export interface PoolInput {
  readonly size: SizeName;
  /** Builds at once on one host. Default 2. */
  readonly per_host?: number;
  /** Builds at once in all; an operator changes it by setConcurrency. Default 4. */
  readonly in_all?: number;
  /**
   * How long the run goes on looking for something to do, in milliseconds. Default 0: it fills up
   * once and ends. The schedule's runs look on, so that a quiet fleet makes few histories.
   */
  readonly watch_ms?: number;
  /** Between two looks, in milliseconds. Default 2,000. */
  readonly look_ms?: number;
}

export const POOL_DEFAULTS = { per_host: 2, in_all: 4, watch_ms: 0, look_ms: 2_000 } as const;
export const POOL_IN_ALL_MAX = 64;

/** Warm slots per host, where `pool_target` of cold Postgres has no row for the size. */
export const WARM_PER_HOST_DEFAULT = 2;

/** One host's stock of the size: a row of `cold_pool()`. */
export interface Stock {
  readonly host_id: string;
  readonly url: string;
  readonly cordoned: boolean;
  readonly vacant: number;
  readonly warm: number;
}

/** How many builds a host is to make. */
export interface HostPlan {
  readonly host: string;
  readonly url: string;
  readonly builds: number;
}

export interface PoolPlan {
  /** Warm slots per host. */
  readonly target: number;
  /** Warm slots that are there now, in all. */
  readonly warm: number;
  /** Warm slots that are missing but have no room, in all. */
  readonly no_room: number;
  /** Empty: nothing is to be done. */
  readonly hosts: readonly HostPlan[];
}

/** Input of activity `poolLook`. */
export interface PoolLook {
  readonly size: SizeName;
  /** How long to go on looking until something is to be done, in milliseconds; 0: one look. */
  readonly wait_ms: number;
  readonly look_ms: number;
}

/** Input of activity `poolBuild`. Idempotent: it builds what is missing when it looks. */
export interface PoolBuild {
  readonly size: SizeName;
  readonly url: string;
  /** Warm slots that the host is to have. */
  readonly target: number;
  readonly builds: number;
  readonly at_once: number;
}

export interface PoolBuilt {
  readonly built: number;
  readonly failed: number;
}

/** Result of workflow `poolReplenishment`. */
export interface PoolResult {
  readonly outcome: 'done' | 'aborted';
  readonly built: number;
  readonly failed: number;
  /** What was missing without room for it. */
  readonly no_room: number;
}

/**
 * What each host is to build: what it lacks of the target where it has room, the neediest host
 * first. Hosts that are cordoned get nothing.
 */
export function planRefill(stocks: readonly Stock[], target: number): PoolPlan {
  const open = stocks.filter((stock) => !stock.cordoned);
  const lacking = open
    .map((stock) => ({ stock, missing: Math.max(0, target - stock.warm) }))
    .sort((a, b) => b.missing - a.missing || (a.stock.host_id < b.stock.host_id ? -1 : 1));
  const hosts = lacking.map(({ stock, missing }) => ({
    host: stock.host_id,
    url: stock.url,
    builds: Math.min(missing, stock.vacant),
  }));
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return {
    target,
    warm: sum(open.map((stock) => stock.warm)),
    no_room: sum(lacking.map(({ stock, missing }) => Math.max(0, missing - stock.vacant))),
    hosts: hosts.filter(({ builds }) => builds > 0),
  };
}
