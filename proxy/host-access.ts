/**
 * Who may log in to a database, as the host agent says it where it ran last: with all that SQL has committed
 * by now. Asked at a socket beside Postgres' own. An agent that is silent is not waited for twice.
 */
import { existsSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { errnoOf } from '../lib/errno.ts';
import { readText } from '../lib/http-body.ts';
import { accessSocketIn, readMark, runFolderOf } from '../lib/run-folder.ts';
import { createShared } from '../lib/shared.ts';
import type { Address, HostAccessAnswer } from '../model/wire.ts';
import { createLru } from './lru.ts';
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
   * of that kind when it ran here last. At once, and without asking anybody.
   */
  readonly mayDiffer: (database: string, route: Route, version: number) => boolean;
  /** Tells the agent of that address. @returns undefined if it is silent, or refuses. */
  readonly tell: <T>(address: Address, path: string, body: unknown) => Promise<T | undefined>;
  readonly close: () => void;
}

export function createHostAccess(): HostAccess {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  const silent = createLru<true>(SILENT_MAX);

  /** @returns undefined for a refusal. @throws if the agent does not answer. */
  function call<T>(socketPath: string, path: string, body?: unknown): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST';
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const request = httpRequest({ socketPath, path, agent, method, headers });
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

  /** Key: the socket and the path. */
  const shared = createShared(async (key): Promise<HostAnswer> => {
    const [socket = '', path = ''] = key.split('\n');
    try {
      // A kept connection that was just closed says nothing about who is there.
      const get = () => call<HostAccessAnswer>(socket, path);
      const answer = await get().catch((error: unknown) => {
        if (errnoOf(error) === 'ECONNRESET') return get();
        throw error;
      });
      for (const one of [key, socket]) silent.delete(one);
      return answer ?? 'over';
    } catch (error) {
      // One that takes long may do so for this database alone.
      silent.set(errnoOf(error) === undefined ? key : socket, true);
      return 'silent';
    }
  });

  return {
    async ask(database, { epoch, address }) {
      const socket = accessSocketIn(runFolderOf(address.socket));
      const key = `${socket}\n/v1/access/${database}/${epoch}`;
      const answer = shared(key);
      // Its return is noticed by this call, for which nobody waits.
      return (silent.get(socket) ?? silent.get(key)) ? 'silent' : answer;
    },
    mayDiffer: (database, { address }, version) =>
      // The folder, not the socket: that is away before the last look, and this after it.
      existsSync(address.socket) || readMark(runFolderOf(address.socket), database) > version,
    tell: <T>(address: Address, path: string, body: unknown) =>
      call<T>(accessSocketIn(runFolderOf(address.socket)), path, body).catch(() => undefined),
    close: () => agent.destroy(),
  };
}
