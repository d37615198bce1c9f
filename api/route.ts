/** What an endpoint is: one file under `routes/` each, listed in `server.ts`. */
import type { z } from 'zod';
import type { Caller } from '../lib/tokens.ts';
import type { Context } from './context.ts';

/** Who may call what (design: callers). */
export const SCOPES = ['proxy', 'host', 'operator', 'cold', 'create'] as const;
export type Scope = (typeof SCOPES)[number];

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

export interface Route {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** In Express' form: `/v1/databases/:id/start`. */
  readonly path: string;
  /** Empty = open to all (health, metrics, contract). */
  readonly scopes: readonly Scope[];
  readonly summary: string;
  /** A repeat by `Idempotency-Key` does nothing twice. */
  readonly idempotent?: true;
  readonly body?: z.ZodType;
  readonly query?: z.ZodType;
  readonly handle: (context: Context, input: Input<unknown, unknown>) => Promise<Answer>;
}

interface RouteSpec<B extends z.ZodType, Q extends z.ZodType> extends Omit<
  Route,
  'body' | 'query' | 'handle'
> {
  readonly body?: B;
  readonly query?: Q;
  readonly handle: (context: Context, input: Input<z.output<B>, z.output<Q>>) => Promise<Answer>;
}

/** Ties a handler's input to its schemas; the server has parsed both before it calls. */
export function route<B extends z.ZodType = z.ZodUndefined, Q extends z.ZodType = z.ZodUndefined>(
  spec: RouteSpec<B, Q>,
): Route {
  return spec as unknown as Route;
}

export const ok = (body: unknown): Answer => ({ status: 200, body });
