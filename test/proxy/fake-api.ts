/**
 * A test double of the api over real HTTP, as small as the proxy's three calls. Its `start` is
 * whatever the test says; everything that was asked is kept.
 */
import type { Server } from 'node:http';
import { createJsonServer, type HttpRequest, type HttpRoute } from '../../lib/http-server.ts';
import { listen } from '../../lib/listen.ts';
import { createLogger } from '../../lib/log.ts';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { hashToken } from '../../lib/tokens.ts';
import { AppError } from '../../model/errors.ts';
import type {
  AccessAnswer,
  StartAnswer,
  StartRequest,
  SuspendAnswer,
  SuspendRequest,
} from '../../model/wire.ts';

export const FAKE_TOKEN = 'token-of-the-proxy';

export interface FakeApi {
  readonly url: string;
  readonly access: Map<string, AccessAnswer>;
  /** Calls in order: `access db-…`, `start db-…`, `suspend db-…`. */
  readonly calls: string[];
  readonly starts: { readonly database: string; readonly body: StartRequest }[];
  readonly suspends: { readonly database: string; readonly body: SuspendRequest }[];
  onStart: (database: string, body: StartRequest) => Promise<StartAnswer>;
  onSuspend: (database: string, body: SuspendRequest) => Promise<SuspendAnswer>;
  /** Stops answering: connections are refused, and open ones closed. */
  readonly down: () => Promise<void>;
  /** Answers again, at the same address. */
  readonly up: () => Promise<void>;
}

type Asked = Pick<FakeApi, 'access' | 'calls' | 'starts' | 'suspends' | 'onStart' | 'onSuspend'>;

function routesOf(api: Asked): HttpRoute[] {
  const post = (verb: string, handle: (database: string, body: unknown) => Promise<unknown>) => ({
    method: 'POST' as const,
    path: `/v1/databases/:id/${verb}`,
    scope: 'proxy',
    handle: ({ params, body }: HttpRequest) => {
      const database = params['id'] ?? '';
      api.calls.push(`${verb} ${database}`);
      return handle(database, body);
    },
  });
  return [
    { method: 'GET', path: '/livez', scope: null, handle: () => Promise.resolve({}) },
    {
      method: 'GET',
      path: '/v1/databases/:id/access',
      scope: 'proxy',
      handle: ({ params }) => {
        const database = params['id'] ?? '';
        api.calls.push(`access ${database}`);
        const found = api.access.get(database);
        if (found === undefined) return Promise.reject(new AppError('database_not_found'));
        return Promise.resolve(found);
      },
    },
    post('start', (database, body) => {
      api.starts.push({ database, body: body as StartRequest });
      return api.onStart(database, body as StartRequest);
    }),
    post('suspend', (database, body) => {
      api.suspends.push({ database, body: body as SuspendRequest });
      return api.onSuspend(database, body as SuspendRequest);
    }),
  ];
}

export async function startFakeApi(): Promise<FakeApi> {
  const asked: Asked = {
    access: new Map(),
    calls: [],
    starts: [],
    suspends: [],
    onStart: () => Promise.reject(new AppError('start_failed')),
    onSuspend: () => Promise.resolve({ outcome: 'busy' }),
  };
  const make = (): Server =>
    createJsonServer({
      tokens: fixedTokens({ proxy: hashToken(FAKE_TOKEN) }),
      bodyBytesMax: 4096,
      log: createLogger('fake-api', 'error'),
      routes: routesOf(asked),
    });
  let server = make();
  await listen(server, 0, '127.0.0.1');
  const found = server.address();
  if (found === null || typeof found === 'string') throw new Error('no port');
  const { port } = found;
  return Object.assign(asked, {
    url: `http://127.0.0.1:${port}`,
    down: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    up: async () => {
      server = make();
      await listen(server, port, '127.0.0.1');
    },
  });
}
