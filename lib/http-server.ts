/**
 * A small JSON server over node:http for processes whose HTTP surface is a handful of calls between
 * machines (host agent, proxy's health). The api itself is Express.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { AppError, ERRORS, codeOf, errorBodyOf } from '../model/errors.ts';
import type { Logger } from './log.ts';
import type { TokenTable } from './callers.ts';
import { readJson } from './http-body.ts';

export interface HttpRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly requestId: string | undefined;
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/v1/identity/:database` */
  readonly path: string;
  /** The scopes a caller may have; null = open to all (health and metrics). */
  readonly scope: string | readonly string[] | null;
  readonly handle: (request: HttpRequest) => Promise<unknown>;
}

/** A handler may answer with text instead of JSON. */
export interface TextAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export const textAnswer = (text: string, status = 200, contentType = 'text/plain'): TextAnswer => ({
  status,
  contentType,
  text,
});

const isTextAnswer = (value: unknown): value is TextAnswer =>
  typeof value === 'object' && value !== null && 'contentType' in value && 'text' in value;

type Parts = readonly string[];

function matchPath(want: Parts, have: Parts): Record<string, string> | undefined {
  if (want.length !== have.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of want.entries()) {
    const given = String(have[i]);
    if (part.startsWith(':')) params[part.slice(1)] = given;
    else if (part !== given) return undefined;
  }
  return params;
}

interface Listed extends HttpRoute {
  readonly parts: Parts;
}

function findRoute(routes: readonly Listed[], method: string, path: string) {
  const parts = path.split('/');
  let pathKnown = false;
  for (const route of routes) {
    const params = matchPath(route.parts, parts);
    if (params === undefined) continue;
    if (route.method === method) return { route, params };
    pathKnown = true;
  }
  throw new AppError(pathKnown ? 'method_not_allowed' : 'not_found');
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

export interface JsonServerOptions {
  readonly routes: readonly HttpRoute[];
  readonly tokens: TokenTable;
  readonly bodyBytesMax: number;
  readonly log: Logger;
}

export function createJsonServer(options: JsonServerOptions): Server {
  const routes = options.routes.map((route) => ({ ...route, parts: route.path.split('/') }));

  async function answer(request: IncomingMessage): Promise<unknown> {
    const path = String(request.url).replace(/\?.*$/, '');
    const { route, params } = findRoute(routes, String(request.method), path);
    if (route.scope !== null) {
      const scopes = typeof route.scope === 'string' ? [route.scope] : route.scope;
      options.tokens.check(request.headers.authorization, scopes);
    }
    const body = await readJson(request, options.bodyBytesMax);
    const id = request.headers['x-request-id'];
    return route.handle({ params, body, requestId: typeof id === 'string' ? id : undefined });
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const result = await answer(request);
      if (isTextAnswer(result)) send(response, result.status, result.contentType, result.text);
      else send(response, 200, 'application/json', JSON.stringify(result ?? {}));
    } catch (error) {
      const code = codeOf(error);
      if (code === 'internal') options.log.error({ err: error, url: request.url }, 'BUG');
      if (!request.complete) response.setHeader('connection', 'close');
      const body = JSON.stringify({ error: errorBodyOf(error) });
      send(response, ERRORS[code].status, 'application/json', body);
    }
  }

  const server = createServer({ noDelay: true }, (request, response) => {
    void respond(request, response);
  });
  server.keepAliveTimeout = 60_000;
  return server;
}
