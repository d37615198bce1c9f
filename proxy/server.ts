/** The proxy: accepts clients, counts them, and ends in order. */
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Logger } from '../lib/log.ts';
import { AppError } from '../model/errors.ts';
import { DEFAULT_IDLE_MS, HELD_MAX, LOGIN_MS_MAX } from '../model/limits.ts';
import { createAccessCache } from './access-cache.ts';
import { createApiClient } from './api-client.ts';
import { createAttempts } from './attempts.ts';
import { createCancelPeers } from './cancel-peers.ts';
import { createCancelKeys } from './cancel.ts';
import { serveConnection, sourceOf, type ConnectionDeps } from './connection.ts';
import { errorResponse } from './errors.ts';
import { createHostAccess } from './host-access.ts';
import { createIdle } from './idle.ts';
import { createProxyMetrics } from './metrics.ts';
import { createNewcomers } from './newcomers.ts';
import { createPeers, type PeersOptions } from './peers.ts';
import { dismiss, DRAIN_MS, LISTENING } from './session.ts';
import { createSources } from './sources.ts';
import { createSummaries } from './summaries.ts';
import type { Certificate } from './tls.ts';
import { createWakes } from './wake.ts';

/** Between looks at whether all have gone. */
const DRAIN_LOOK_MS = 20;

export interface ProxyOptions {
  readonly apiUrls: readonly string[];
  readonly apiToken: string;
  readonly fleetSecret: string;
  /** What is shown to a client that comes now; without it there is no TLS. */
  readonly certificate?: () => Certificate;
  /** How databases of other machines are reached; undefined: all are on this one. */
  readonly peers?: PeersOptions;
  /** Where the other proxies listen, for cancel requests that mean nothing here: `host:port`. */
  readonly otherProxies?: readonly string[];
  /** How long a client is held while its database wakes. */
  readonly holdMs: number;
  /** From a client's connect to its last message of the login; LOGIN_MS_MAX but in tests. */
  readonly loginMs?: number;
  /** Connections of one source that have proven nothing yet; half of HELD_MAX but in tests. */
  readonly newcomersMax?: number;
  readonly registry: Registry;
  readonly log: Logger;
}

export interface Proxy {
  /** Not listening yet. */
  readonly server: Server;
  readonly draining: () => boolean;
  /**
   * Stops listening, tells those who wait for a login that it ends, gives sessions `graceMs` and
   * closes what is left then.
   */
  readonly drain: (graceMs?: number) => Promise<void>;
}

/** Open connections; each with the controller that ends its login. */
type Open = Map<Socket, AbortController>;

function createDeps(options: ProxyOptions, open: Open) {
  const { holdMs, log } = options;
  const api = createApiClient({ urls: options.apiUrls, token: options.apiToken });
  const peers = createPeers(options.peers ?? { own: '', context: undefined });
  const host = createHostAccess(peers);
  const routeOf = (database: string) => wakes.lastRouteOf(database);
  // So that nobody dials what is not there.
  const onAsleep = (database: string, epoch: number) => void wakes.forget(database, epoch);
  const access = createAccessCache({ api, host, routeOf, onAsleep });
  const wakes = createWakes({
    api,
    holdMs,
    onWoken: (database, woken) => {
      metrics.woken(woken.coldStart);
      idle.woken(database, woken.epoch);
    },
  });
  const idle = createIdle({
    api,
    routes: wakes,
    idleMsOf: (database) => access.peek(database)?.idle_ms ?? DEFAULT_IDLE_MS,
    holdMs,
    log,
  });
  const metrics = createProxyMetrics(options.registry, {
    held: wakes.held,
    sessions: idle.sessions,
    connections: () => open.size,
  });
  const [cancels, attempts] = [createCancelKeys(peers), createAttempts()];
  const [sources, summaries] = [createSources(host), createSummaries(host)];
  const { fleetSecret, loginMs = LOGIN_MS_MAX, certificate = () => undefined } = options;
  const limits = { holdMs, loginMs };
  const passCancel = createCancelPeers(options.otherProxies ?? []);
  const told = { passCancel, peers, sources, summaries, fleetSecret, certificate, limits };
  const deps: ConnectionDeps = { access, attempts, wakes, cancels, idle, metrics, log, ...told };
  const close = async (): Promise<void> => {
    idle.stop();
    sources.stop();
    await summaries.stop();
    api.close();
    host.close();
  };
  return { deps, close };
}

export function createProxy(options: ProxyOptions): Proxy {
  const open: Open = new Map();
  const { deps, close } = createDeps(options, open);
  const newcomers = createNewcomers(options.newcomersMax);
  let draining = false;

  async function accept(socket: Socket): Promise<void> {
    const controller = new AbortController();
    open.set(socket, controller);
    const onProven = newcomers.enter(sourceOf(socket));
    try {
      // Every held client has a connection; above that many logins nobody could be served anyway.
      const isFull = open.size - deps.idle.sessions() > HELD_MAX || onProven === undefined;
      if (draining || isFull) {
        socket.on('error', () => undefined);
        const code = draining ? 'shutting_down' : 'too_many_clients';
        await dismiss(socket, errorResponse(new AppError(code)));
      } else {
        await serveConnection(deps, socket, { controller, onProven });
      }
    } catch (error) {
      options.log.error({ err: error }, 'BUG: a connection ended with an exception');
      socket.destroy();
    } finally {
      onProven?.();
      open.delete(socket);
    }
  }

  const server = createServer(LISTENING, (socket) => void accept(socket));

  async function drain(graceMs = DRAIN_MS): Promise<void> {
    draining = true;
    server.close();
    for (const controller of open.values()) controller.abort(new AppError('shutting_down'));
    const deadline = performance.now() + graceMs;
    while (open.size > 0 && performance.now() < deadline) await sleep(DRAIN_LOOK_MS);
    for (const socket of open.keys()) socket.destroy();
    while (open.size > 0) await sleep(DRAIN_LOOK_MS);
    await close();
  }

  return { server, draining: () => draining, drain };
}
