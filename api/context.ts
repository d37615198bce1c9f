/** What the parts of the api are handed, made once by `main.ts`, and what an endpoint is. Types only. */
import type { z } from 'zod';
import type { Logger } from '../lib/log.ts';
import type { Caller } from '../lib/callers.ts';
import type { Hot } from '../db/hot/hot.ts';
import type { NewIdentity } from '../model/identity.ts';
import type { SizeName } from '../model/sizes.ts';
import type { Address, Incarnation, StartAnswer, StartRequest } from '../model/wire.ts';
import type { Adopter } from './adopt.ts';
import type { Agents } from './agents.ts';
import type { Fleet } from '../model/fleet.ts';
import type { Metrics } from './metrics.ts';
import type { Room } from './room.ts';
import type { Scope } from './route.ts';
import type { Tenants } from './tenants.ts';

/** What most verbs need. */
export interface Parts {
  readonly hot: Hot;
  readonly fleet: Fleet;
  readonly agents: Agents;
  readonly room: Room;
  readonly tenants: Tenants;
  readonly log: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What a route's handler may use. */
export interface Context extends Parts {
  readonly starter: Starter;
  readonly metrics: Metrics;
  readonly adopter: Adopter;
  /** Which hot database this is, remembered for some seconds. */
  readonly generation: () => Promise<string>;
  readonly fleetSecret: string;
  /** host:port of the proxy. */
  readonly proxyAddress: string;
}

export interface Input<Body, Query> {
  readonly params: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly query: Query;
  readonly requestId: string;
  readonly caller: Caller;
  readonly idempotencyKey: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface Route<B extends z.ZodType = z.ZodType, Q extends z.ZodType = z.ZodType> {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** In Express' form: `/v1/databases/:id/start`. */
  readonly path: string;
  /** Empty = open to all (health, metrics, contract). */
  readonly scopes: readonly Scope[];
  readonly summary: string;
  /** A repeat by `Idempotency-Key` does nothing twice. */
  readonly idempotent?: true;
  readonly body?: B;
  readonly query?: Q;
  readonly handle: (context: Context, input: Input<z.output<B>, z.output<Q>>) => Promise<Answer>;
}

/* ---- what verbs are called with ---- */

export interface StartCall {
  readonly database: string;
  readonly request: StartRequest;
  readonly requestId: string;
  /** An operator's start tries a broken database at once. */
  readonly force: boolean;
}

export interface Started {
  readonly epoch: number;
  readonly address: Address;
}

/** A slot that a start has claimed. */
export interface ClaimedSlot {
  readonly host: string;
  readonly size: SizeName;
  readonly slot: number;
}

export interface StarterDeps extends Parts {
  /** Milliseconds a caller is kept waiting before it is told `waking`. */
  readonly patienceMs: number;
}

export interface Starter {
  /** @throws AppError `waking` with `estimate_ms` if the caller's patience ended first. */
  readonly start: (call: StartCall) => Promise<StartAnswer>;
  readonly inFlight: () => number;
}

export interface CreateCall {
  readonly spec: Omit<
    NewIdentity,
    'id' | 'roles' | 'request' | 'created_at' | 'deleted_at' | 'limits'
  >;
  readonly key: string | undefined;
  readonly requestId: string;
}

/** What an agent has made of a create. */
export interface Made {
  readonly at: Incarnation;
  readonly source: 'warm' | 'clone';
}
