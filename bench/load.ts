/**
 * HTTP calls at the least cost to the machine that they share with what is measured: one kept
 * connection per client, one call at a time on it, bodies of known length. A client of its own,
 * since node:http costs the caller more than the api's answer costs the api.
 */
import { connect, type Socket } from 'node:net';
import { ConfigError } from '../lib/config-error.ts';

export interface LoadClient {
  /** @throws ConfigError if the connection ends or the answer is no JSON. */
  readonly post: (path: string, body: unknown) => Promise<{ status: number; body: unknown }>;
  readonly close: () => void;
}

const HEAD_END = '\r\n\r\n';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** @returns the answer once it is whole. */
function parse(buffer: Buffer): Answer | undefined {
  const end = buffer.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = buffer.toString('latin1', 0, end);
  const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) throw new ConfigError('an answer without a length');
  const from = end + HEAD_END.length;
  if (buffer.length < from + length) return undefined;
  const text = buffer.toString('utf8', from, from + length);
  return { status: Number(head.slice(9, 12)), body: text === '' ? undefined : JSON.parse(text) };
}

export async function openLoadClient(url: string, token: string): Promise<LoadClient> {
  const { hostname, port, host } = new URL(url);
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connect(Number(port), hostname, () => resolve(opening));
    opening.once('error', reject);
  });
  socket.setNoDelay(true);
  const fixed = `Host: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
  let received: Buffer = Buffer.alloc(0);
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const answer = parse(received);
    if (answer === undefined) return;
    received = Buffer.alloc(0);
    const { resolve } = waiting ?? {};
    waiting = undefined;
    resolve?.(answer);
  });
  const lost = (): void => waiting?.reject(new ConfigError('the api closed a connection'));
  socket.on('error', lost);
  socket.on('close', lost);

  return {
    post(path, body) {
      const text = JSON.stringify(body);
      const length = Buffer.byteLength(text);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(`POST ${path} HTTP/1.1\r\n${fixed}Content-Length: ${length}\r\n\r\n${text}`);
      });
    },
    close: () => socket.destroy(),
  };
}
