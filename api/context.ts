/** What the parts of the api are handed: made once by `main.ts`. Types only. */
import type { Logger } from '../lib/log.ts';
import type { Hot } from '../db/hot/pool.ts';
import type { Agents } from './agents.ts';
import type { Fleet } from './fleet.ts';
import type { Metrics } from './metrics.ts';
import type { Starter } from './start.ts';

/** What most verbs need. */
export interface Parts {
  readonly hot: Hot;
  readonly fleet: Fleet;
  readonly agents: Agents;
  readonly log: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What a route's handler may use. */
export interface Context extends Parts {
  readonly starter: Starter;
  readonly metrics: Metrics;
  /** Which hot database this is, remembered for some seconds. */
  readonly generation: () => Promise<string>;
  readonly fleetSecret: string;
  /** host:port of the proxy. */
  readonly proxyAddress: string;
}
