/**
 * Into a tenant's Postgres by its incarnation's Unix socket, here or behind a gate: peer authentication lets the proxy's
 * unix user in as any role but the superuser. Collects what Postgres says until it is ready, with
 * the cancel key taken out, so that the client gets it in one piece.
 */
import type { Socket } from 'node:net';
import type { Address } from '../model/wire.ts';
import {
  decodeBackendKey,
  decodeErrorResponse,
  decodeMessage,
  isAuthenticationOk,
  MESSAGE,
  type BackendKey,
} from './wire.ts';
import type { Peers } from './peers.ts';

/** A greeting is some kB; notices of login triggers come on top. */
const GREETING_BYTES_MAX = 1024 * 1024;

export type DialResult =
  | {
      readonly kind: 'ready';
      readonly socket: Socket;
      /** What to send to the client before and after a cancel key of our own. */
      readonly greeting: { readonly head: Buffer; readonly tail: Buffer };
      readonly key: BackendKey | undefined;
    }
  /** Postgres starts, recovers or has no room in its queue: the same address, a little later. */
  | { readonly kind: 'later' }
  /** Nobody listens there any more, or whoever listens has said nothing for long. */
  | { readonly kind: 'gone' }
  /** The way there is closed: the gate of its machine does not answer, and says nothing of the database. */
  | { readonly kind: 'unreachable' }
  /** Postgres' own ErrorResponse, for the client as it is. */
  | { readonly kind: 'refused'; readonly error: Buffer; readonly sqlstate: string }
  /** It is no Postgres that lets us in. */
  | { readonly kind: 'unfit'; readonly why: string };

/**
 * A Postgres of which not a byte has come for so long may be frozen, and its host with it. It is reported
 * as if it were gone: whoever has it in his hands looks once more before he ends it.
 */
const SILENT_MS = 4_000;

/** cannot_connect_now: starting up, recovering, or shutting down. */
const CANNOT_CONNECT_NOW = '57P03';
/** too_many_connections: said before the login, and the client's to know. */
const TOO_MANY_CONNECTIONS = '53300';

/** Judges an ErrorResponse that came instead of AuthenticationOk. */
function judgeEarlyError(body: Buffer, whole: Buffer): DialResult {
  const fields = decodeErrorResponse(body);
  const sqlstate = fields['C'] ?? '';
  if (sqlstate === CANNOT_CONNECT_NOW)
    return { kind: /shutting down/.test(fields['M'] ?? '') ? 'gone' : 'later' };
  if (sqlstate === TOO_MANY_CONNECTIONS)
    return { kind: 'refused', error: Buffer.from(whole), sqlstate };
  return { kind: 'unfit', why: `Postgres refused the proxy with ${sqlstate}` };
}

/** Reads the greeting bit by bit; pure but for its own position. */
export function createGreeting() {
  let bytes: Buffer = Buffer.alloc(0);
  let at = 0;
  let admitted = false;
  let cut: { from: number; to: number; key: BackendKey } | undefined;

  function finish(): Omit<Extract<DialResult, { kind: 'ready' }>, 'socket'> {
    const head = cut === undefined ? bytes : bytes.subarray(0, cut.from);
    const tail = cut === undefined ? Buffer.alloc(0) : bytes.subarray(cut.to);
    return { kind: 'ready', greeting: { head, tail }, key: cut?.key };
  }

  function step(type: number, body: Buffer, used: number) {
    const whole = bytes.subarray(at, at + used);
    if (!admitted) {
      if (type === MESSAGE.error) return judgeEarlyError(body, whole);
      if (type !== MESSAGE.authentication || !isAuthenticationOk(body))
        return { kind: 'unfit', why: 'Postgres asks the proxy for a password' } as const;
      admitted = true;
    } else if (type === MESSAGE.error) {
      const sqlstate = decodeErrorResponse(body)['C'] ?? '';
      return {
        kind: 'refused',
        error: Buffer.from(bytes.subarray(0, at + used)),
        sqlstate,
      } as const;
    } else if (type === MESSAGE.backendKeyData) {
      cut = { from: at, to: at + used, key: decodeBackendKey(body) };
    }
    at += used;
    return type === MESSAGE.readyForQuery ? finish() : undefined;
  }

  return {
    /** @returns the result once there is one. @throws AppError `protocol_violation` */
    push(chunk: Buffer) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      for (;;) {
        const message = decodeMessage(bytes, at, GREETING_BYTES_MAX);
        if (message === undefined) break;
        const { value, used } = message;
        const result = step(value.type, value.body, used);
        if (result !== undefined) return result;
      }
      if (bytes.length > GREETING_BYTES_MAX)
        return { kind: 'unfit', why: 'the greeting of Postgres is too long' } as const;
      return undefined;
    },
    /** True once Postgres has let the proxy in; from then on the time is Postgres' own. */
    admitted: () => admitted,
  };
}

export interface DialRequest {
  readonly peers: Peers;
  readonly address: Address;
  /** The whole start-up packet. */
  readonly startup: Buffer;
  /** Milliseconds until Postgres must have let us in. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Codes of errno(3), and what Node adds for a name of several addresses. */
const isOfSockets = ({ code = '' }: NodeJS.ErrnoException): boolean =>
  /^E[A-Z0-9]+$/.test(code) || code === 'ERR_SOCKET_CONNECTION_TIMEOUT';

/**
 * Connects and waits until Postgres is ready for the client's first query.
 * @throws the signal's reason when it is aborted; AppError `protocol_violation`
 */
export function dial(request: DialRequest): Promise<DialResult> {
  const { signal, peers } = request;
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const spot = peers.postgres(request.address);
  // The route of a database that its agent has put to sleep: a look costs less than a failed dial.
  if (peers.isGone(spot)) return Promise.resolve({ kind: 'gone' });
  return new Promise((resolve, reject) => {
    const socket = peers.connect(spot);
    const greeting = createGreeting();
    let backlogFull = false;
    let isThere = spot.gate === undefined;
    socket.once('secureConnect', () => (isThere = true));

    const settle = (finish: () => void, keep: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('close', onClose).off('end', onClose);
      if (!keep) socket.destroy();
      finish();
    };
    const onAbort = (): void => settle(() => reject(signal.reason as Error), false);
    const onClose = (): void => {
      const kind = backlogFull ? 'later' : isThere ? 'gone' : 'unreachable';
      settle(() => resolve({ kind }), false);
    };
    const onData = (chunk: Buffer): void => {
      try {
        const result = greeting.push(chunk);
        if (greeting.admitted()) clearTimeout(timer);
        if (result === undefined) return;
        if (result.kind !== 'ready') return settle(() => resolve(result), false);
        // Nothing may be lost between here and the splice.
        socket.pause();
        settle(() => resolve({ ...result, socket }), true);
      } catch (error) {
        const failure = error as Error;
        settle(() => reject(failure), false);
      }
    };
    const silent = request.timeoutMs > SILENT_MS;
    const timer = setTimeout(
      () => settle(() => resolve({ kind: silent ? 'gone' : 'later' }), false),
      Math.min(request.timeoutMs, SILENT_MS),
    );
    signal.addEventListener('abort', onAbort, { once: true });
    const onError = (error: NodeJS.ErrnoException): void => {
      // The queue of the listening socket is full (connect(2)); somebody does listen.
      backlogFull = error.code === 'EAGAIN';
      // All else that a gate fails with is about certificates, and does not pass.
      if (spot.gate === undefined || isOfSockets(error)) return;
      const why = `the gate ${spot.gate}: ${error.code ?? error.message}`;
      settle(() => resolve({ kind: 'unfit', why }), false);
    };
    // Stays: a session's own error is handled where the session is.
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('end', onClose);
    socket.on('data', onData);
    socket.write(request.startup);
  });
}
