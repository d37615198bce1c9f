/**
 * JSON over HTTP to another of our processes, on kept connections. node:http and not fetch: on the
 * wake path it costs a third of the time, and a request can be given up by its deadline.
 */
import { Agent, request as httpRequest } from 'node:http';
import { AppError, isErrorCode, type ErrorBody } from '../model/errors.ts';
import { errnoOf } from './errno.ts';
import { readText } from './http-body.ts';
import type { CallOptions, JsonClient } from './json-client.ts';

interface Answered {
  readonly status: number;
  readonly text: string;
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
  const error = (body as { error?: Partial<ErrorBody> } | undefined)?.error;
  if (!isErrorCode(error?.code))
    return new AppError('unavailable', { detail: `answered ${status}` });
  return new AppError(error.code, { detail: error.detail, data: error.data });
}

/** A kept connection that the other side had just closed says nothing about the other side. */
const isStale = (error: unknown): boolean => errnoOf(error) === 'ECONNRESET';

export function createJsonClient(token: string): JsonClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 512, noDelay: true });

  /** A timer and listeners of our own: an abort signal and a stream's iterator cost a hop 0.4 ms. */
  function send(url: string, options: CallOptions): Promise<Answered> {
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
    const request = httpRequest(url, {
      agent,
      method: options.method ?? (payload === undefined ? 'GET' : 'POST'),
      headers: {
        ...options.headers,
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(options.requestId === undefined ? {} : { 'x-request-id': options.requestId }),
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const late = new Error(`no answer in ${options.timeoutMs} ms`);
    const timer = setTimeout(() => request.destroy(late), options.timeoutMs);
    const answer = new Promise<Answered>((resolve, reject) => {
      request.once('error', reject);
      request.once('response', (response) => {
        const status = Number(response.statusCode);
        readText(response).then((text) => resolve({ status, text }), reject);
      });
      request.end(payload);
    });
    return answer.finally(() => clearTimeout(timer));
  }

  return {
    async call<T>(url: string, options: CallOptions): Promise<T> {
      let answered: Answered;
      try {
        // Every call here is idempotent, so that one more try is safe.
        answered = await send(url, options).catch((error: unknown) => {
          if (isStale(error)) return send(url, options);
          throw error;
        });
      } catch (error) {
        throw new AppError('unavailable', { cause: error });
      }
      const { status, text } = answered;
      const body = parseBody(text);
      if (status < 200 || status > 299) throw errorOf(status, body);
      return body as T;
    },
    close: () => agent.destroy(),
  };
}
