/** The hot path as activities call it: any api instance that answers, and the agent of a host. */
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import type { CallOptions, JsonClient } from '../lib/json-client.ts';
import { AppError, codeOf } from '../model/errors.ts';
import { AGENT_CALL_MS_MAX, ATTACH_MS_MAX, POSTGRES_STOP_MS_MAX } from '../model/limits.ts';
import type {
  ApplyAnswer,
  ApplyRequest,
  DatabaseAnswer,
  PasswordAnswer,
  PasswordRequest,
  PurgeAnswer,
  StartAnswer,
  SuspendAnswer,
} from '../model/wire.ts';

export interface FleetCallsDeps {
  readonly api: JsonClient;
  readonly apiUrls: readonly string[];
  /** Scope operator. */
  readonly agents: JsonClient;
  readonly hot: HotFunctions;
}

/** What the transaction's end and the way there and back may take beyond the statement's time-out. */
const APPLY_EXTRA_MS = 30_000;
/** Removing a large directory. */
const PURGE_MS_MAX = 30 * 60_000;
/** Where hosts answer changes with their restarts. */
const HOSTS_MS_MAX = 5_000;

export interface FleetHost {
  readonly id: string;
  readonly url: string;
}

/** Each throws an AppError as the api or agent says it, `unavailable` if none answers. */
export interface FleetCalls {
  readonly read: (database: string) => Promise<DatabaseAnswer>;
  readonly start: (database: string, verb: string) => Promise<StartAnswer>;
  readonly suspendIfIdle: (database: string, epoch: number) => Promise<SuspendAnswer>;
  readonly password: (database: string, request: PasswordRequest) => Promise<PasswordAnswer>;
  readonly undelete: (database: string) => Promise<void>;
  readonly hosts: () => Promise<readonly FleetHost[]>;
  readonly apply: (
    host: FleetHost,
    request: ApplyRequest,
    signal: AbortSignal,
  ) => Promise<ApplyAnswer>;
  readonly purge: (host: FleetHost, database: string, signal: AbortSignal) => Promise<PurgeAnswer>;
}

export function createFleetCalls(deps: FleetCallsDeps): FleetCalls {
  let known: { readonly hosts: readonly FleetHost[]; readonly at: number } | undefined;

  async function api<T>(path: string, options: CallOptions): Promise<T> {
    let last: unknown = new AppError('unavailable', { detail: 'there is no api' });
    for (const url of deps.apiUrls) {
      try {
        return await deps.api.call<T>(`${url}${path}`, options);
      } catch (error) {
        if (codeOf(error) !== 'unavailable') throw error;
        last = error;
      }
    }
    throw last;
  }

  const one = <T>(database: string, verb: string, options: CallOptions): Promise<T> =>
    api<T>(`/v1/databases/${database}${verb}`, options);
  const quick = { timeoutMs: AGENT_CALL_MS_MAX };

  return {
    read: (database) => one(database, '?awake=false', quick),
    start: (database, verb) =>
      one(database, '/start', {
        body: { priority: 'maintenance', cause: { application_name: `pilotlight ${verb}` } },
        timeoutMs: ATTACH_MS_MAX,
      }),
    suspendIfIdle: (database, epoch) =>
      one(database, '/suspend', {
        body: { epoch, if_idle: true },
        timeoutMs: POSTGRES_STOP_MS_MAX + AGENT_CALL_MS_MAX,
      }),
    password: (database, body) =>
      // The api asks an agent twice, and once more for each who came between.
      one(database, '/password', { body, timeoutMs: 4 * AGENT_CALL_MS_MAX }),
    async undelete(database) {
      await one(database, '/undelete', { method: 'POST', timeoutMs: 4 * AGENT_CALL_MS_MAX });
    },
    async hosts() {
      if (known !== undefined && performance.now() - known.at < HOSTS_MS_MAX) return known.hosts;
      const byId = new Map((await deps.hot.pool()).map((row) => [row.host_id, row.url]));
      const hosts = [...byId].map(([id, url]) => ({ id, url }));
      known = { hosts, at: performance.now() };
      return hosts;
    },
    apply: ({ url }, body, signal) =>
      deps.agents.call(`${url}/v1/apply`, {
        body,
        timeoutMs: body.statement_timeout_ms + APPLY_EXTRA_MS,
        signal,
      }),
    purge: ({ url }, database, signal) =>
      deps.agents.call(`${url}/v1/directories/${database}`, {
        method: 'DELETE',
        timeoutMs: PURGE_MS_MAX,
        signal,
      }),
  };
}
