/** The agent's HTTP surface. */
import { randomBytes } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { HttpRequest, HttpRoute } from '../lib/http-server.ts';
import type { Logger } from '../lib/log.ts';
import { metricsRoute } from '../lib/metrics-route.ts';
import { AppError, codeOf, isErrorCode } from '../model/errors.ts';
import { accessOf } from '../model/access.ts';
import type { HostAccessAnswer } from '../model/wire.ts';
import type { AgentHealth, AgentVerbs } from './contract.ts';
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
import type { Roles } from './roles.ts';
import { sessionSourcesOf, sessionsEndedOf } from './sessions-input.ts';
import type { Sessions } from './sessions.ts';
import type { Slots } from './slots.ts';

export interface RoutesOptions {
  readonly verbs: AgentVerbs;
  readonly slots: Pick<Slots, 'bump'>;
  readonly health: AgentHealth;
  readonly metrics: HostMetrics;
  readonly registry: Registry;
  readonly log: Logger;
}

/** The api's calls, which an operator may make as well. */
const CALLERS = ['api', 'operator'];

/** What every answer carries, a refusal's too: it tells the index to look again. */
function withVersion(slots: RoutesOptions['slots'], error: unknown): unknown {
  const known = error instanceof AppError && isErrorCode(error.code);
  const version = slots.bump();
  if (!known) return error;
  return new AppError(error.code, {
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    data: { ...error.data, boot: version.boot, version: version.version },
    cause: error.cause,
  });
}

function verbRoute(
  { slots, log, metrics, health }: RoutesOptions,
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
        if (!health.isAdopted()) throw new AppError('unavailable', { detail: 'still starting' });
        const answer = await work(request);
        took('ok');
        return answer;
      } catch (error) {
        took(codeOf(error));
        const id = request.requestId ?? randomBytes(8).toString('hex');
        log.info({ verb, code: codeOf(error), request_id: id }, 'refused');
        throw withVersion(slots, error);
      }
    },
  };
}

function identityRoutes(verbs: AgentVerbs): readonly HttpRoute[] {
  return [
    {
      method: 'GET',
      path: '/v1/identities',
      scope: CALLERS,
      handle: () => verbs.listIdentities(''),
    },
    {
      method: 'GET',
      path: '/v1/identities/:after',
      scope: CALLERS,
      handle: ({ params }) => verbs.listIdentities(databaseOf(params['after'])),
    },
    {
      method: 'GET',
      path: '/v1/identity/:database',
      scope: CALLERS,
      async handle({ params }) {
        const identity = await verbs.readIdentity(databaseOf(params['database']));
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
        return verbs.replaceIdentity(database, expectedVersion, document);
      },
    },
  ];
}

/** The body, with the id of the request for the events that follow from it. */
const withId = ({ body, requestId }: HttpRequest): unknown =>
  typeof body === 'object' && body !== null && requestId !== undefined
    ? { ...body, request_id: requestId }
    : body;

export function createRoutes(options: RoutesOptions): readonly HttpRoute[] {
  const { verbs } = options;
  const post = (verb: string, work: (request: HttpRequest) => Promise<unknown>): HttpRoute =>
    verbRoute(options, 'POST', verb, `/v1/${verb}`, work);
  return [
    post('attach', (asked) => verbs.attach(attachRequestOf(withId(asked)))),
    post('create', (asked) => verbs.create(createRequestOf(withId(asked)))),
    post('suspend', (asked) => verbs.suspend(suspendRequestOf(withId(asked)))),
    post('warm', ({ body }) => verbs.warm(warmRequestOf(body))),
    post('recycle', ({ body }) => verbs.recycle(slotRefOf(body))),
    post('apply', ({ body }) => verbs.apply(applyRequestOf(body))),
    verbRoute(options, 'DELETE', 'purge', '/v1/directories/:database', ({ params }) =>
      verbs.purge(databaseOf(params['database'])),
    ),
    ...identityRoutes(verbs),
    {
      method: 'GET',
      path: '/v1/awake/:database',
      scope: CALLERS,
      handle: ({ params }) => verbs.awake(databaseOf(params['database'])),
    },
    {
      method: 'GET',
      path: '/v1/state',
      scope: CALLERS,
      handle: () => Promise.resolve(verbs.report()),
    },
    {
      method: 'POST',
      path: '/v1/shutdown',
      scope: 'operator',
      handle: ({ body }) => verbs.shutDown(graceMsOf(body)),
    },
    ...healthRoutes(options),
  ];
}

/** Of the socket that proxies of this machine ask at: who can open it is a proxy. */
export const createAccessRoutes = (
  looks: Pick<Roles, 'look'>,
  sessions: Sessions,
): readonly HttpRoute[] => [
  {
    method: 'POST',
    path: '/v1/sessions/opened',
    scope: null,
    handle: ({ body }) => Promise.resolve(sessions.opened(sessionSourcesOf(body))),
  },
  {
    method: 'POST',
    path: '/v1/sessions/ended',
    scope: null,
    async handle({ body }) {
      await sessions.ended(sessionsEndedOf(body));
      return {};
    },
  },
  {
    method: 'GET',
    path: '/v1/access/:database/:epoch',
    scope: null,
    async handle({ params }) {
      const wanted = [databaseOf(params['database']), Number(params['epoch'])] as const;
      const { identity, runs } = await looks.look(...wanted);
      if (identity.deleted_at !== null) throw new AppError('database_deleted');
      return { access: accessOf(identity), runs } satisfies HostAccessAnswer;
    },
  },
];

function healthRoutes({ health, registry }: RoutesOptions): readonly HttpRoute[] {
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
        if (health.isEnding()) throw new AppError('shutting_down');
        if (!health.isAdopted()) throw new AppError('unavailable');
        if (health.isFenced()) throw new AppError('fenced');
        return Promise.resolve({ status: 'ok' });
      },
    },
    metricsRoute(registry),
  ];
}
