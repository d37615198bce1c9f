/** Creates and deletes that are asked for until they are answered, of whichever api answers. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions } from '../../lib/json-client.ts';
import { codeOf, type ErrorCode } from '../../model/errors.ts';
import type { CreateAnswer } from '../../model/wire.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { within, openSession } from '../kills/session.ts';
import { purge } from '../purge.ts';

const CALL_MS = 10_000;
const AGAIN_MS = 250;
const QUERY_MS_MAX = 5_000;

export interface Fleet {
  /** Undefined: told to give up before it was answered. */
  readonly create: (idleMs: number) => Promise<CreateAnswer | undefined>;
  /** @returns false if told to give up before it was acknowledged. */
  readonly remove: (id: string) => Promise<boolean>;
  /** Its directory, by any host; @returns false if none has done it now. */
  readonly purge: (id: string) => Promise<boolean>;
  readonly giveUp: () => void;
  readonly close: () => void;
}

const GONE: readonly ErrorCode[] = ['database_deleted', 'database_not_found'];

export function createFleet({ api, hosts }: Endpoints, tenant: string): Fleet {
  const client = createJsonClient(api.tokens['operator'] ?? '');
  const agents = hosts.map(({ url, token }) => ({ url, client: createJsonClient(token) }));
  let turn = 0;
  let over = false;

  function call<T>(path: string, options: Partial<CallOptions>): Promise<T> {
    const url = api.urls[turn++ % api.urls.length];
    return client.call<T>(`${url}/v1/databases${path}`, { timeoutMs: CALL_MS, ...options });
  }
  async function persistently<T>(work: () => Promise<T>): Promise<T | undefined> {
    while (!over) {
      try {
        return await work();
      } catch {
        await delay(AGAIN_MS);
      }
    }
    return undefined;
  }

  return {
    create(idleMs) {
      // The same key: a create whose answer was lost is not a second database.
      const headers = { 'idempotency-key': randomUUID() };
      const body = { tenant, idle_ms: idleMs };
      return persistently(() => call<CreateAnswer>('', { body, headers }));
    },
    async remove(id) {
      const outcome = await persistently(async () => {
        try {
          await call(`/${id}`, { method: 'DELETE' });
        } catch (error) {
          // By an earlier call of this same delete, whose answer was lost.
          if (!GONE.includes(codeOf(error))) throw error;
        }
        return true;
      });
      return outcome ?? false;
    },
    purge: (id) => purge(agents, id, CALL_MS),
    giveUp() {
      over = true;
    },
    close() {
      client.close();
      for (const agent of agents) agent.client.close();
    },
  };
}

/** Tries until it has worked. @returns false if told to give up before. */
export async function makeTable(
  urls: readonly string[],
  isOver: () => boolean = () => false,
): Promise<boolean> {
  for (let turn = 0; !isOver(); turn++) {
    try {
      const client = await openSession(urls[turn % urls.length] ?? '', 'chaos set-up');
      try {
        const sql = 'create table if not exists numbered (n int primary key)';
        await within(QUERY_MS_MAX, client.query(sql));
        return true;
      } finally {
        await within(1_000, client.end()).catch(() => undefined);
      }
    } catch {
      await delay(AGAIN_MS);
    }
  }
  return false;
}
