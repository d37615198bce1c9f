import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions } from '../../lib/json-client.ts';
import { createJsonServer, textAnswer, type HttpRoute } from '../../lib/http-server.ts';
import { closeServer, listen } from '../../lib/listen.ts';
import { createLogger } from '../../lib/log.ts';
import { createRegistry } from '../../lib/metrics.ts';
import { metricsRoute } from '../../lib/metrics-route.ts';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { hashToken } from '../../lib/tokens.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { AppError, errorBodyOf, type ErrorCode } from '../../model/errors.ts';
import { freePort } from '../../lib/free-port.ts';

const BODY_BYTES_MAX = 1_000;

const ROUTES: readonly HttpRoute[] = [
  {
    method: 'POST',
    path: '/v1/echo/:name/of/:kind',
    scope: 'api',
    handle: (r) => Promise.resolve(r),
  },
  { method: 'GET', path: '/v1/nothing', scope: 'api', handle: () => Promise.resolve(undefined) },
  {
    method: 'POST',
    path: '/v1/refuse',
    scope: 'api',
    handle: () =>
      Promise.reject(new AppError('stale_epoch', { detail: 'too old', data: { minted: 7 } })),
  },
  {
    method: 'POST',
    path: '/v1/bug',
    scope: 'api',
    handle: () => Promise.reject(new Error('secret')),
  },
  { method: 'GET', path: '/v1/slow', scope: 'api', handle: () => new Promise(() => undefined) },
  {
    method: 'GET',
    path: '/v1/shared',
    scope: ['api', 'other'],
    handle: () => Promise.resolve({ shared: true }),
  },
  { method: 'GET', path: '/livez', scope: null, handle: () => Promise.resolve(textAnswer('ok\n')) },
  metricsRoute(createRegistry('test')),
];

let server: Server;
let base: string;
const client = createJsonClient('of the api');
const stranger = createJsonClient('of nobody');

async function serve(given: Server): Promise<string> {
  const port = await freePort();
  await listen(given, port, '127.0.0.1');
  return `http://127.0.0.1:${port}`;
}

beforeAll(async () => {
  server = createJsonServer({
    routes: ROUTES,
    tokens: fixedTokens({ api: hashToken('of the api'), other: hashToken('of another') }),
    bodyBytesMax: BODY_BYTES_MAX,
    log: createLogger('test', 'silent'),
  });
  base = await serve(server);
});
afterAll(async () => {
  client.close();
  stranger.close();
  await closeServer(server);
});

async function failureOf(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

const call = (path: string, options: Partial<CallOptions> = {}, from = client): Promise<unknown> =>
  from.call(`${base}${path}`, { timeoutMs: 2_000, ...options });

const codeOf = async (...args: Parameters<typeof call>): Promise<ErrorCode> =>
  (await failureOf(call(...args))).code;

interface Raw {
  readonly status: number | undefined;
  readonly connection: string | undefined;
  readonly body: string;
}

/** A request as somebody would send it who does not use our client. */
function raw(path: string, method: string, body?: string | Buffer): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer of the api' };
    const request = httpRequest(`${base}${path}`, { method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve({
          status: response.statusCode,
          connection: response.headers.connection,
          body: text,
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('a call', () => {
  test('brings its body, the parameters of its path and its id', async () => {
    const body = { a: [1, 'ä', null] };
    expect(await call('/v1/echo/x/of/y?z=1', { body, requestId: 'r-1' })).toEqual({
      params: { name: 'x', kind: 'y' },
      body,
      requestId: 'r-1',
    });
  });

  test('may come without a body, and be answered with nothing', async () => {
    expect(await call('/v1/echo/x/of/y', { method: 'POST' })).toEqual({
      params: { name: 'x', kind: 'y' },
    });
    expect(await call('/v1/nothing')).toEqual({});
  });

  test('that is refused brings back the code, the detail and the data', async () => {
    const error = await failureOf(call('/v1/refuse', { body: {} }));
    expect(errorBodyOf(error)).toEqual(
      errorBodyOf(new AppError('stale_epoch', { detail: 'too old', data: { minted: 7 } })),
    );
  });

  test('into a bug is told nothing of it', async () => {
    expect(errorBodyOf(await failureOf(call('/v1/bug', { body: {} })))).toEqual(
      errorBodyOf(new AppError('internal')),
    );
  });

  test('needs a token of a scope that may', async () => {
    expect(await codeOf('/v1/nothing', {}, stranger)).toBe('unauthenticated');
    const other = createJsonClient('of another');
    expect(await codeOf('/v1/nothing', {}, other)).toBe('forbidden');
    expect(await call('/v1/shared', {}, other)).toEqual({ shared: true });
    expect(await call('/v1/shared')).toEqual({ shared: true });
    other.close();
  });

  test('to no path, or by no method that the path knows, is refused', async () => {
    expect(await codeOf('/v1/gone')).toBe('not_found');
    expect(await codeOf('/v1/echo/x/of')).toBe('not_found');
    expect(await codeOf('/v1/nothing', { method: 'PUT' })).toBe('method_not_allowed');
    expect((await raw('/v1/echo/x/of/y', 'OPTIONS')).status).toBe(405);
    for (const path of ['/', '//', '//x:y', '/?', '/v1/nothing/', '/%zz'])
      expect((await raw(path, 'GET')).status).toBe(404);
  });

  test('that is open to all needs no token', async () => {
    const { status, body } = await raw('/livez', 'GET');
    expect([status, body]).toEqual([200, 'ok\n']);
    expect((await raw('/metrics', 'GET')).body).toContain('pilotlight_process_cpu');
  });

  test('with a body that is no JSON is refused', async () => {
    for (const body of ['{', 'text', Buffer.from([0xff, 0xfe])])
      expect(JSON.parse((await raw('/v1/refuse', 'POST', body)).body)).toMatchObject({
        error: { code: 'bad_json', retryable: false },
      });
  });

  test('with a body that is too large is refused before all of it came', async () => {
    const { status, connection } = await raw('/v1/refuse', 'POST', 'x'.repeat(BODY_BYTES_MAX + 1));
    expect(status).toBe(413);
    expect(['close', 'keep-alive']).toContain(connection);
    const most = JSON.stringify('x'.repeat(BODY_BYTES_MAX - 2));
    expect((await raw('/v1/echo/x/of/y', 'POST', most)).status).toBe(200);
  });
});

describe('a server', () => {
  test('closes the connection of a body that it does not want to the end', async () => {
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    const closed = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    socket.write(
      `POST /v1/refuse HTTP/1.1\r\nhost: x\r\nauthorization: Bearer of the api\r\ncontent-length: 99999\r\n\r\n${'x'.repeat(2_000)}`,
    );
    const answer = await closed;
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  test('says in one sentence that its port is taken', async () => {
    const { port } = server.address() as AddressInfo;
    const taken = listen(createServer(), port, '127.0.0.1');
    await expect(taken).rejects.toBeInstanceOf(ConfigError);
    await expect(taken).rejects.toThrow(`port ${port} on 127.0.0.1 is taken by another program`);
  });

  test('says in one sentence that an address is not its own', async () => {
    await expect(listen(createServer(), 0, '192.0.2.1')).rejects.toThrow(
      /^can not listen on 192\.0\.2\.1:0 \(E[A-Z]+\)$/,
    );
  });
});

describe('a server that does not answer as it should', () => {
  async function withServer(
    handle: Parameters<typeof createServer>[1],
    use: (url: string) => Promise<void>,
  ): Promise<void> {
    const other = createServer(handle);
    const url = await serve(other);
    try {
      await use(url);
    } finally {
      other.closeAllConnections();
      await closeServer(other);
    }
  }

  const failure = (url: string, options: Partial<CallOptions> = {}): Promise<AppError> =>
    failureOf(client.call(url, { timeoutMs: 2_000, ...options }));

  test('in time is unavailable', async () => {
    const error = await failureOf(call('/v1/slow', { timeoutMs: 50 }));
    expect(error.code).toBe('unavailable');
  });

  test('or that the caller does not want any more, is unavailable', async () => {
    const abort = new AbortController();
    const error = failureOf(call('/v1/slow', { signal: abort.signal }));
    abort.abort();
    expect((await error).code).toBe('unavailable');
  });

  test('at all is unavailable', async () => {
    const error = await failure(`http://127.0.0.1:${await freePort()}/`);
    expect(error.code).toBe('unavailable');
    expect(error.cause).toBeDefined();
  });

  test.each(['', 'not JSON', '{}', '{"error":{"code":"nonsense"}}', '{"error":{}}'])(
    'with an error but with %j is unavailable, with the status as detail',
    async (body) => {
      await withServer(
        (_, response) => response.writeHead(502).end(body),
        async (url) => {
          expect(await failure(url)).toMatchObject({
            code: 'unavailable',
            detail: 'answered 502',
          });
        },
      );
    },
  );

  test('is asked once more when it closed a kept connection under the request', async () => {
    let requests = 0;
    await withServer(
      (request, response) => {
        requests += 1;
        if (requests === 1) request.socket.resetAndDestroy();
        else response.end('{"asked":2}');
      },
      async (url) => {
        expect(await client.call(url, { timeoutMs: 2_000 })).toEqual({ asked: 2 });
      },
    );
  });

  test('an answer of success that is no JSON is undefined', async () => {
    await withServer(
      (_, response) => response.end('fine'),
      async (url) => {
        expect(await client.call(url, { timeoutMs: 2_000 })).toBeUndefined();
      },
    );
  });
});
