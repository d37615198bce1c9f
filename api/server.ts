/** The api's HTTP server: the list of its endpoints, and what is common to all of them. */
import { randomUUID } from 'node:crypto';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { AppError, ERRORS, codeOf, errorBodyOf, type ErrorCode } from '../model/errors.ts';
import { isDatabaseId } from '../model/ids.ts';
import type { StartAnswer } from '../model/wire.ts';
import { BODY_BYTES_MAX, REQUEST_BYTES_MAX } from '../model/limits.ts';
import type { Caller, TokenTable } from '../lib/callers.ts';
import { readJson } from '../lib/http-body.ts';
import { databaseGet } from '../db/hot/database-find.ts';
import { orAway } from './anywhere.ts';
import type { Context, Route } from './context.ts';
import { documentOf } from './identity.ts';
import * as change from './routes/change-identity.ts';
import { getDatabase } from './routes/get-database.ts';
import { getDatabases } from './routes/get-databases.ts';
import { getLivez, getMetrics, getReadyz } from './routes/get-health.ts';
import { getOpenapi } from './routes/get-openapi.ts';
import * as host from './routes/host.ts';
import { postDatabases } from './routes/post-databases.ts';
import { getAccess, getRoute } from './routes/proxy.ts';
import * as run from './routes/run.ts';

/** Looked through in this order: what proxies ask comes first. */
export const ROUTES: readonly Route[] = [
  run.postStart,
  run.postSuspend,
  getRoute,
  getAccess,
  postDatabases,
  getDatabases,
  getDatabase,
  change.patchDatabase,
  change.removeDatabase,
  change.postPassword,
  change.postUndelete,
  run.postRestart,
  host.postSync,
  host.postEvents,
  getLivez,
  getReadyz,
  getMetrics,
  getOpenapi,
];

/** A client that is told to come back later still asks now and then. */
const RETRY_S_MAX = 3_600;

/** Parses input by its schema. @throws AppError `bad_request` naming the first field that is wrong. */
function parse(schema: Route['body'], value: unknown): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new AppError('bad_request', {
    detail: `${where === '' ? '' : `${where}: `}${issue?.message ?? 'not valid'}`,
  });
}

/** Of the calls that are open to all. */
const NOBODY: Caller = { name: '', scopes: [], sha256: [] };

/** Ids that can not exist are refused before anything is asked, another tenant's as if they did not. */
async function checkDatabase(context: Context, caller: Caller, id: string, requestId: string) {
  if (!isDatabaseId(id)) throw new AppError('database_not_found');
  if (caller.tenants === undefined) return;
  const away = (): Promise<{ tenant: string }> => documentOf(context, id, requestId);
  const { tenant } = await orAway(databaseGet(context.hot, id), away);
  if (!caller.tenants.includes(tenant)) throw new AppError('database_not_found');
}

/** One that may stand in logs and events. */
const REQUEST_ID = /^[\w.:-]{1,64}$/;

function handlerOf(context: Context, tokens: TokenTable, spec: Route): RequestHandler {
  const bytesMax = spec.scopes.includes('host') ? BODY_BYTES_MAX : REQUEST_BYTES_MAX;
  return async (request, response) => {
    const begun = context.now();
    const given = request.get('x-request-id') ?? '';
    const requestId = REQUEST_ID.test(given) ? given : randomUUID();
    response.set('x-request-id', requestId);
    response.on('finish', () => {
      const { code = 'ok', cold_start = '' } = response.locals as Record<string, string>;
      const labels = { route: spec.path, code, cold_start };
      context.metrics.requests.observe(labels, (context.now() - begun) / 1000);
    });
    const open = spec.scopes.length === 0;
    const caller = open ? NOBODY : tokens.check(request.get('authorization'), spec.scopes);
    const params = request.params as Record<string, string>;
    if (spec.path.startsWith('/v1/databases/:id'))
      await checkDatabase(context, caller, params['id'] ?? '', requestId);
    const answer = await spec.handle(context, {
      params,
      body: parse(spec.body, spec.body && (await readJson(request, bytesMax))),
      query: parse(spec.query, request.query),
      requestId,
      caller,
      idempotencyKey: request.get('idempotency-key'),
    });
    response.locals['cold_start'] = (answer.body as Partial<StartAnswer>).cold_start;
    const isText = typeof answer.body === 'string';
    const text = isText ? answer.body : JSON.stringify(answer.body);
    response.set('content-length', String(Buffer.byteLength(text)));
    response
      .status(answer.status)
      .type(isText ? 'text/plain' : 'application/json')
      .end(text);
  };
}

const errorHandler =
  (context: Context): ErrorRequestHandler =>
  (thrown, request, response, next) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = thrown instanceof URIError ? new AppError('bad_request') : (thrown as unknown);
    const code = codeOf(error);
    const { method, path } = request;
    const facts = { code, method, path, request_id: response.get('x-request-id') };
    if (code === 'internal') context.log.error({ err: error as Error, ...facts }, 'BUG');
    else context.log.info({ ...facts, detail: errorBodyOf(error).detail }, 'refused');
    response.locals['code'] = code;
    if (!request.complete) response.set('connection', 'close');
    const body = errorBodyOf(error);
    const { status } = ERRORS[code];
    const seconds = Math.ceil(Number(body.data?.['estimate_ms'] ?? 0) / 1000);
    if (status === 429 || code === 'no_capacity' || code === 'waking')
      response.set('retry-after', String(Math.min(Math.max(seconds, 1), RETRY_S_MAX)));
    response.status(status).json({ error: body });
  };

const refuse = (code: ErrorCode) => (): never => {
  throw new AppError(code);
};

export function createServer(context: Context, tokens: TokenTable): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  for (const spec of ROUTES) app[spec.method](spec.path, handlerOf(context, tokens, spec));
  for (const path of new Set(ROUTES.map((spec) => spec.path)))
    app.all(path, refuse('method_not_allowed'));
  app.use(refuse('not_found'));
  app.use(errorHandler(context));
  return app;
}
