/**
 * One client connection from its first byte to its last: start-up, login, wake, dial, session. Every
 * wait ends when the client leaves, when the login takes too long, or when the proxy stops.
 */
import type { Socket } from 'node:net';
import type { Logger } from '../lib/log.ts';
import { AppError, codeOf } from '../model/errors.ts';
import { LOGIN_REFUSED_MS } from '../model/limits.ts';
import type { AccessCache } from './access-cache.ts';
import { pause } from './abort.ts';
import type { Attempts } from './attempts.ts';
import type { CancelKeys } from './cancel.ts';
import { CLIENT_LEFT } from './client-reader.ts';
import { errorResponse } from './errors.ts';
import { createFront, readStartup, type Front } from './front.ts';
import type { Idle } from './idle.ts';
import { authenticate } from './login.ts';
import type { ProxyMetrics } from './metrics.ts';
import type { Peers } from './peers.ts';
import { reach } from './reach.ts';
import { dismiss, splice } from './session.ts';
import type { Sources } from './sources.ts';
import { readLogin, type FirstPacket, type Login } from './startup.ts';
import { causeOf, roundMs, storyFacts, type Story } from './story.ts';
import type { Ended, Summaries } from './summaries.ts';
import type { Certificate } from './tls.ts';
import type { Wakes } from './wake.ts';
import { encodeBackendKey, type BackendKey } from './wire.ts';

export interface ConnectionDeps {
  readonly access: AccessCache;
  readonly attempts: Attempts;
  readonly wakes: Wakes;
  readonly peers: Peers;
  readonly cancels: CancelKeys;
  /** To other proxies. */
  readonly passCancel: (key: BackendKey, source: string) => Promise<void>;
  readonly idle: Idle;
  readonly sources: Sources;
  readonly summaries: Summaries;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly fleetSecret: string;
  /** What is shown to a client that comes now; undefined: there is no TLS. */
  readonly certificate: () => Certificate | undefined;
  /** Milliseconds: for the client's part of the login, and for the wake. */
  readonly limits: { readonly loginMs: number; readonly holdMs: number };
}

interface Connection {
  readonly deps: ConnectionDeps;
  readonly front: Front;
  readonly controller: AbortController;
  readonly story: Story;
}

/** Refusals that would tell what exists if they came sooner or later than each other. */
const isDelayed = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'login_refused' || error.code === 'not_allowed');

const factsOf = ({ deps, story, front }: Connection): Record<string, unknown> =>
  storyFacts(story, front.channel?.version, deps.access);

async function cancel(
  { cancels, passCancel, metrics }: ConnectionDeps,
  { key, isPassed }: Extract<FirstPacket, { kind: 'cancel' }>,
  source: string,
): Promise<void> {
  const found = key !== undefined && (await cancels.cancel(key));
  metrics.cancel(found);
  if (!found && key !== undefined && !isPassed) await passCancel(key, source);
}

/** Start-up and login. @returns undefined for a cancel request, which is done then. */
async function admit(connection: Connection): Promise<Login | undefined> {
  const { deps, front, controller, story } = connection;
  const tooSlow = (): void => controller.abort(new AppError('startup_timeout'));
  const timer = setTimeout(tooSlow, deps.limits.loginMs);
  try {
    const startup = await readStartup(front, deps.certificate(), controller);
    if (startup.kind === 'cancel') {
      await cancel(deps, startup, story.source);
      return undefined;
    }
    story.marks.startup = performance.now();
    const login = readLogin(startup, front.channel?.servername);
    story.login = login;
    const attempt = { source: story.source, database: login.database, role: login.role };
    deps.attempts.check(attempt);
    await authenticate({
      front,
      login,
      source: story.source,
      access: deps.access,
      fleetSecret: deps.fleetSecret,
      deadline: performance.now() + deps.limits.holdMs,
      signal: controller.signal,
      onAccess: (waitedMs) => (story.accessMs = roundMs(waitedMs)),
      beforeJudgement: () => deps.attempts.check(attempt),
    }).catch((error: unknown) => {
      if (codeOf(error) === 'login_refused') deps.attempts.failed(attempt);
      throw error;
    });
    story.marks.auth = performance.now();
    return login;
  } finally {
    clearTimeout(timer);
  }
}

const NOTHING = { session_ms: 0, bytes_in: 0, bytes_out: 0 };

/** For the event feed; of a database that has never run here there is the log only. */
function summarize(
  { deps, story }: Connection,
  took: Omit<Ended, 'database' | 'epoch' | 'cause'>,
): void {
  const { login, reached } = story;
  if (login === undefined) return;
  const { database } = login;
  const route = reached ?? deps.wakes.lastRouteOf(database);
  if (route === undefined) return;
  const { address, epoch } = route;
  deps.summaries.ended(address, { database, epoch, cause: causeOf(story), ...took });
}

/** Wakes the database and splices the client to it. */
async function serve(connection: Connection, login: Login): Promise<void> {
  const { deps, controller, story } = connection;
  const { socket, reader } = connection.front;
  const reached = await reach({
    peers: deps.peers,
    wakes: deps.wakes,
    login,
    cause: causeOf(story),
    holdMs: deps.limits.holdMs,
    signal: controller.signal,
    onWoken: () => (story.marks.wake = performance.now()),
    log: deps.log,
  });
  story.reached = reached;
  story.marks.dial = performance.now();
  if (reached.kind === 'refused') {
    deps.metrics.login('postgres_refused');
    deps.log.info({ ...factsOf(connection), sqlstate: reached.sqlstate }, 'refused by Postgres');
    summarize(connection, { ...NOTHING, ended: `postgres ${reached.sqlstate}` });
    reader.release();
    return dismiss(socket, reached.error);
  }
  if (controller.signal.aborted) {
    reached.socket.destroy();
    throw controller.signal.reason;
  }
  const { database } = login;
  deps.idle.opened(database, reached.epoch);
  const { head, tail } = reached.greeting;
  const key =
    reached.key === undefined
      ? undefined
      : deps.cancels.add(reached.address, reached.key, login.minor);
  socket.write(key === undefined ? head : Buffer.concat([head, encodeBackendKey(key), tail]));
  deps.metrics.login('ok');
  deps.metrics.loginTook(reached.coldStart, performance.now() - story.begun);
  const isOver =
    reached.key &&
    deps.sources.opened(reached.address, {
      ...{ database, epoch: reached.epoch, pid: reached.key.pid, source: story.source },
    });
  const ahead = reader.release();
  if (ahead.length > 0) reached.socket.write(ahead);
  const openedAt = performance.now();
  const end = await splice(socket, reached.socket);
  if (key !== undefined) deps.cancels.remove(key);
  isOver?.();
  deps.idle.closed(database);
  const session_ms = roundMs(performance.now() - openedAt);
  const took = { session_ms, bytes_in: end.bytesIn, bytes_out: end.bytesOut, ended: end.ended };
  deps.log.info({ ...factsOf(connection), ...took }, 'session');
  summarize(connection, took);
}

/** Tells the client why it is not served; nothing if it has left. */
async function refuse(connection: Connection, error: unknown): Promise<void> {
  const { deps, controller, story } = connection;
  const { socket, reader } = connection.front;
  let told = error;
  if (isDelayed(error)) {
    try {
      const left = reader.arrivedAt() + LOGIN_REFUSED_MS - performance.now();
      await pause(Math.ceil(left), controller.signal);
    } catch (reason) {
      told = reason;
    }
  }
  if (told === CLIENT_LEFT) {
    deps.metrics.login('client_left');
    deps.log.info({ ...factsOf(connection), ended: 'client_left' }, 'login');
    summarize(connection, { ...NOTHING, ended: 'client_left' });
    socket.destroy();
    return;
  }
  // What still comes is thrown away by dismiss(), not collected.
  reader.release();
  const code = codeOf(told);
  deps.metrics.login(code);
  if (code === 'internal') deps.log.error({ ...factsOf(connection), err: told }, 'BUG');
  else deps.log.info({ ...factsOf(connection), ended: code }, 'login');
  summarize(connection, { ...NOTHING, ended: code });
  await dismiss(socket, errorResponse(told, story.login?.role));
}

/** IPv4 in its own form where the socket listens on both families. */
export const sourceOf = (socket: Socket): string =>
  (socket.remoteAddress ?? '').replace(/^::ffff:/, '');

export interface ConnectionOptions {
  /** Whoever aborts it ends a login with the reason; a session is not touched by it. */
  readonly controller: AbortController;
  /** Told when a password has been proven. */
  readonly onProven: () => void;
}

/** Serves one client until its connection is closed. */
export async function serveConnection(
  deps: ConnectionDeps,
  socket: Socket,
  { controller, onProven }: ConnectionOptions,
): Promise<void> {
  socket.on('error', () => controller.abort(CLIENT_LEFT));
  const front = createFront(socket, controller);
  const story: Story = {
    login: undefined,
    source: sourceOf(socket),
    marks: {},
    accessMs: undefined,
    begun: performance.now(),
    reached: undefined,
  };
  const connection = { deps, front, controller, story };
  try {
    const login = await admit(connection);
    if (login === undefined) {
      front.reader.release();
      return await dismiss(front.socket, Buffer.alloc(0));
    }
    onProven();
    await serve(connection, login);
  } catch (error) {
    await refuse(connection, error);
  } finally {
    // Whatever still waits for this client waits no longer.
    controller.abort(CLIENT_LEFT);
  }
}
