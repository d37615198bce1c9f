/**
 * Who may log in to a database, as the host agent says it where it ran last: with all that SQL has committed
 * by now. Asked at a socket beside Postgres' own. An agent that is silent is not waited for twice.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Agent, request as httpRequest, type AgentOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { errnoOf } from '../lib/errno.ts';
import { readText } from '../lib/http-body.ts';
import { readMark, runFolderOf } from '../lib/run-folder.ts';
import { createShared } from '../lib/shared.ts';
import type { Address, HostAccessAnswer } from '../model/wire.ts';
import { createLru } from './lru.ts';
import type { Peers, Spot } from './peers.ts';
import type { Route } from './wake.ts';

/** An agent takes 1 ms, or 5 where it has to connect first. */
const ANSWER_MS_MAX = 300;
const SOCKETS_MAX = 64;
/** Databases whose host was silent, and sockets at which nobody is. */
const SILENT_MAX = 10_000;

/** `over`: another epoch has been since, or nobody can say. `silent`: the agent does not answer. */
export type HostAnswer = HostAccessAnswer | 'over' | 'silent';

export interface HostAccess {
  readonly ask: (database: string, route: Route) => Promise<HostAnswer>;
  /**
   * Whether SQL may have changed roles since this version of the document: it runs, or did something
   * of that kind when it ran here last. At once, and without asking anybody: of another machine always.
   */
  readonly mayDiffer: (database: string, route: Route, version: number) => boolean;
  /** Tells the agent of that address. @returns undefined if it is silent, or refuses. */
  readonly tell: <T>(address: Address, path: string, body: unknown) => Promise<T | undefined>;
  readonly close: () => void;
}

/** Keeps connections by what they lead to: the gate as the host, and the path behind it. */
class SpotAgent extends Agent {
  readonly #peers: Peers;

  constructor(peers: Peers, options: AgentOptions) {
    super(options);
    this.#peers = peers;
  }

  override createConnection({ host, socketPath }: { host?: string; socketPath?: string }): Duplex {
    const spot = { gate: host === HERE ? undefined : host, path: socketPath ?? '' };
    // One that its agent has closed must not stay among those that are kept.
    return this.#peers.connect(spot, { allowHalfOpen: false });
  }
}

const HERE = 'here';
/** What a kept connection that was closed meanwhile fails with. */
const STALE = new Set(['ECONNRESET', 'EPIPE']);

const keyOf = ({ gate, path }: Spot): string => `${gate ?? ''}\n${path}`;

export function createHostAccess(peers: Peers): HostAccess {
  const agent = new SpotAgent(peers, { keepAlive: true, maxSockets: SOCKETS_MAX });
  const silent = createLru<true>(SILENT_MAX);

  /** @returns undefined for a refusal. @throws if the agent does not answer. */
  function call<T>({ gate, path: socketPath }: Spot, path: string, body?: unknown) {
    return new Promise<T | undefined>((resolve, reject) => {
      const host = gate ?? HERE;
      const method = body === undefined ? 'GET' : 'POST';
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const request = httpRequest({ host, socketPath, path, agent, method, headers });
      const timer = setTimeout(() => request.destroy(new Error('no answer')), ANSWER_MS_MAX);
      request.once('close', () => clearTimeout(timer));
      request.once('error', reject);
      request.once('response', (response) => {
        readText(response)
          .then((text) =>
            resolve(response.statusCode === 200 ? (JSON.parse(text) as T) : undefined),
          )
          .catch(reject);
      });
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Key: the spot and the path. */
  const shared = createShared(async (key): Promise<HostAnswer> => {
    const [gate, socket = '', path = ''] = key.split('\n');
    const spot = { gate: gate === '' ? undefined : gate, path: socket };
    try {
      // A kept connection that was just closed says nothing about who is there.
      const get = () => call<HostAccessAnswer>(spot, path);
      const answer = await get().catch((error: unknown) => {
        if (STALE.has(errnoOf(error) ?? '')) return get();
        throw error;
      });
      for (const one of [key, keyOf(spot)]) silent.delete(one);
      return answer ?? 'over';
    } catch (error) {
      // One that takes long may do so for this database alone.
      silent.set(errnoOf(error) === undefined ? key : keyOf(spot), true);
      return 'silent';
    }
  });

  return {
    async ask(database, { epoch, address }) {
      const socket = keyOf(peers.agent(address));
      const key = `${socket}\n/v1/access/${database}/${epoch}`;
      const answer = shared(key);
      // Its return is noticed by this call, for which nobody waits.
      return (silent.get(socket) ?? silent.get(key)) ? 'silent' : answer;
    },
    mayDiffer(database, { address }, version) {
      const { gate, path } = peers.postgres(address);
      // The folder, not the socket: that is away before the last look, and this after it.
      const folder = dirname(path);
      return (
        gate !== undefined ||
        existsSync(folder) ||
        readMark(runFolderOf(folder), database) > version
      );
    },
    tell: <T>(address: Address, path: string, body: unknown) =>
      call<T>(peers.agent(address), path, body).catch(() => undefined),
    close: () => agent.destroy(),
  };
}
