/**
 * JSON over HTTP to another of our processes, on kept connections. node:http and not fetch: on the
 * wake path it costs a third of the time, and a request can be given up by its deadline.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { AppError, isErrorCode } from '../model/errors.ts';
import { errnoOf } from './errno.ts';

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly requestId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface JsonClient {
  /**
   * @throws AppError with the code the other side named; `unavailable` if it did not answer in time
   * or at all (then it may have done the work).
   */
  readonly call: <T>(url: string, options: CallOptions) => Promise<T>;
  readonly close: () => void;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Turns an error body back into the AppError it was. */
function errorOf(status: number, body: unknown): AppError {
  const error = (body as { error?: Record<string, unknown> } | undefined)?.error;
  if (error === undefined || !isErrorCode(error['code']))
    return new AppError('unavailable', { detail: `answered ${status}` });
  return new AppError(error['code'], {
    ...(typeof error['detail'] === 'string' ? { detail: error['detail'] } : {}),
    ...(typeof error['data'] === 'object' && error['data'] !== null
      ? { data: error['data'] as Record<string, string | number> }
      : {}),
  });
}

export function createJsonClient(token: string): JsonClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 512, noDelay: true });

  function send(url: string, options: CallOptions): Promise<IncomingMessage> {
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
    return new Promise((resolve, reject) => {
      const request = httpRequest(url, {
        agent,
        method: options.method ?? (payload === undefined ? 'GET' : 'POST'),
        headers: {
          ...options.headers,
          authorization: `Bearer ${token}`,
          ...(options.requestId === undefined ? {} : { 'x-request-id': options.requestId }),
          ...(payload === undefined
            ? {}
            : {
                'content-type': 'application/json',
                'content-length': Buffer.byteLength(payload),
              }),
        },
        signal:
          options.signal === undefined
            ? AbortSignal.timeout(options.timeoutMs)
            : AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
      });
      request.once('response', resolve);
      request.once('error', reject);
      request.end(payload);
    });
  }

  /** A kept connection that the other side had just closed says nothing about the other side. */
  function isStaleConnection(error: unknown): boolean {
    return errnoOf(error) === 'ECONNRESET';
  }

  async function sendFresh(url: string, options: CallOptions): Promise<IncomingMessage> {
    try {
      return await send(url, options);
    } catch (error) {
      // Every call here is idempotent, so that one more try is safe.
      if (isStaleConnection(error)) return send(url, options);
      throw error;
    }
  }

  return {
    async call<T>(url: string, options: CallOptions): Promise<T> {
      let status: number;
      let body: unknown;
      try {
        const response = await sendFresh(url, options);
        status = Number(response.statusCode);
        body = parseBody(await readAll(response));
      } catch (error) {
        throw new AppError('unavailable', { cause: error });
      }
      if (status < 200 || status > 299) throw errorOf(status, body);
      return body as T;
    },
    close: () => agent.destroy(),
  };
}
