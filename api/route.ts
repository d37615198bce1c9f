/** What an endpoint is: under `routes/`, by who asks or what is meant, listed in `server.ts`. */
import type { z } from 'zod';
import type { SCOPES } from '../contract/callers.ts';
import type { Answer, Route } from './context.ts';

export type Scope = (typeof SCOPES)[number];

/** Ties a handler's input to its schemas; the server has parsed both before it calls. */
export function route<B extends z.ZodType = z.ZodUndefined, Q extends z.ZodType = z.ZodUndefined>(
  spec: Route<B, Q>,
): Route {
  return spec;
}

export const ok = (body: unknown): Answer => ({ status: 200, body });
