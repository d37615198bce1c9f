/** The agent's HTTP surface. */
import { randomBytes } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { HttpRequest, HttpRoute } from '../lib/http-server.ts';
import { metricsRoute } from '../lib/metrics-route.ts';
import { AppError, codeOf, isErrorCode } from '../model/errors.ts';
import type { HostReport } from '../model/wire.ts';
import { apply } from './apply.ts';
import { attach } from './attach.ts';
import type { AgentContext } from './context.ts';
import {
  applyRequestOf,
  attachRequestOf,
  createRequestOf,
  databaseOf,
  graceMsOf,
  putIdentityOf,
  slotRefOf,
  suspendRequestOf,
  warmRequestOf,
} from './input.ts';
import type { HostMetrics } from './metrics.ts';
import { purge } from './purge.ts';
import { shutDown } from './shutdown.ts';
import type { Supervision } from './supervise.ts';
import { suspend } from './suspend.ts';
import { create, recycle, warm } from './warm.ts';

export interface RoutesOptions {
  readonly context: AgentContext;
  readonly supervision: Supervision;
  readonly report: () => HostReport;
  readonly metrics: HostMetrics;
  readonly registry: Registry;
  /** False until what an earlier agent left is settled. */
  readonly isAdopted: () => boolean;
}

/** The api's calls, which an operator may make as well. */
const CALLERS = ['api', 'operator'];

/** What every answer carries, a refusal's too: it tells the index to look again. */
function withVersion(context: AgentContext, error: unknown): unknown {
  const known = error instanceof AppError && isErrorCode(error.code);
  const version = context.slots.bump();
  if (!known) return error;
  return new AppError(error.code, {
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    data: { ...error.data, boot: version.boot, version: version.version },
    cause: error.cause,
  });
}

function verbRoute(
  { context, metrics, isAdopted }: RoutesOptions,
  method: 'POST' | 'DELETE',
  verb: string,
  path: string,
  work: (request: HttpRequest) => Promise<unknown>,
): HttpRoute {
  return {
    method,
    path,
    scope: CALLERS,
    async handle(request) {
      const began = performance.now();
      const took = (result: string): void => metrics.verb(verb, result, performance.now() - began);
      try {
        if (!isAdopted()) throw new AppError('unavailable', { detail: 'still starting' });
        const answer = await work(request);
        took('ok');
        return answer;
      } catch (error) {
        took(codeOf(error));
        const id = request.requestId ?? randomBytes(8).toString('hex');
        context.log.info({ verb, code: codeOf(error), request_id: id }, 'refused');
        throw withVersion(context, error);
      }
    },
  };
}

function identityRoutes({ identities }: AgentContext): readonly HttpRoute[] {
  return [
    {
      method: 'GET',
      path: '/v1/identity/:database',
      scope: CALLERS,
      async handle({ params }) {
        const identity = await identities.read(databaseOf(params['database']));
        if (identity === undefined) throw new AppError('database_not_found');
        return identity;
      },
    },
    {
      method: 'PUT',
      path: '/v1/identity/:database',
      scope: CALLERS,
      handle({ params, body }) {
        const database = databaseOf(params['database']);
        const { expectedVersion, document } = putIdentityOf(body, database);
        return identities.replace(database, expectedVersion, document);
      },
    },
  ];
}

export function createRoutes(options: RoutesOptions): readonly HttpRoute[] {
  const { context, supervision } = options;
  const post = (verb: string, work: (request: HttpRequest) => Promise<unknown>): HttpRoute =>
    verbRoute(options, 'POST', verb, `/v1/${verb}`, work);
  return [
    post('attach', ({ body }) => attach(context, supervision, attachRequestOf(body))),
    post('create', ({ body }) => create(context, supervision, createRequestOf(body))),
    post('suspend', ({ body }) => suspend(context, suspendRequestOf(body))),
    post('warm', ({ body }) => warm(context, supervision, warmRequestOf(body))),
    post('recycle', ({ body }) => recycle(context, slotRefOf(body))),
    post('apply', ({ body }) => apply(context, applyRequestOf(body))),
    verbRoute(options, 'DELETE', 'purge', '/v1/directories/:database', ({ params }) =>
      purge(context, databaseOf(params['database'])),
    ),
    ...identityRoutes(context),
    {
      method: 'GET',
      path: '/v1/state',
      scope: CALLERS,
      handle: () => Promise.resolve(options.report()),
    },
    {
      method: 'POST',
      path: '/v1/shutdown',
      scope: 'operator',
      handle: ({ body }) => shutDown(context, graceMsOf(body)),
    },
    ...healthRoutes(options),
  ];
}

function healthRoutes({ context, isAdopted, registry }: RoutesOptions): readonly HttpRoute[] {
  return [
    {
      method: 'GET',
      path: '/livez',
      scope: null,
      handle: () => Promise.resolve({ status: 'ok' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      scope: null,
      handle() {
        if (context.ending.now) throw new AppError('shutting_down');
        if (!isAdopted()) throw new AppError('unavailable');
        if (context.heartbeat.isFenced()) throw new AppError('fenced');
        return Promise.resolve({ status: 'ok' });
      },
    },
    metricsRoute(registry),
  ];
}
