/** The api's verbs as the demo and the benches use them, and waiting for what they bring about. */
import { setTimeout as delay } from 'node:timers/promises';
import { createJsonClient } from '../lib/http-client.ts';
import { AppError, ERRORS, codeOf } from '../model/errors.ts';
import type { CreateAnswer, DatabaseAnswer, SuspendAnswer } from '../model/wire.ts';

const CALL_MS = 40_000;
const LOOK_MS = 20;

export interface CreateSpec {
  readonly tenant: string;
  readonly size?: string;
  readonly idle_ms?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface FleetClient {
  /** Asks again for 30 s while the fleet says that asking again may help. */
  readonly create: (spec: CreateSpec) => Promise<CreateAnswer>;
  readonly get: (id: string) => Promise<DatabaseAnswer>;
  readonly suspend: (id: string, epoch: number) => Promise<SuspendAnswer>;
  readonly remove: (id: string) => Promise<void>;
  /** @throws AppError `unavailable` if it has not come to that after `timeoutMs`. */
  readonly waitFor: (
    id: string,
    holds: (database: DatabaseAnswer) => boolean,
    timeoutMs: number,
  ) => Promise<DatabaseAnswer>;
  readonly close: () => void;
}

export function createFleetClient(url: string, token: string): FleetClient {
  const client = createJsonClient(token);
  const databases = `${url}/v1/databases`;

  async function create(spec: CreateSpec): Promise<CreateAnswer> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      try {
        return await client.call<CreateAnswer>(databases, { body: spec, timeoutMs: CALL_MS });
      } catch (error) {
        if (!ERRORS[codeOf(error)].retryable || Date.now() > deadline) throw error;
        await delay(100);
      }
    }
  }

  const get = (id: string): Promise<DatabaseAnswer> =>
    client.call<DatabaseAnswer>(`${databases}/${id}?awake=false`, { timeoutMs: CALL_MS });

  return {
    create,
    get,
    suspend: (id, epoch) =>
      client.call<SuspendAnswer>(`${databases}/${id}/suspend`, {
        body: { epoch },
        timeoutMs: CALL_MS,
      }),
    async remove(id) {
      await client.call(`${databases}/${id}`, { method: 'DELETE', timeoutMs: CALL_MS });
    },
    async waitFor(id, holds, timeoutMs) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const database = await get(id);
        if (holds(database)) return database;
        if (Date.now() > deadline)
          throw new AppError('unavailable', {
            detail: `${id} is still ${database.state} after ${timeoutMs / 1000} s`,
          });
        await delay(LOOK_MS);
      }
    },
    close: client.close,
  };
}
