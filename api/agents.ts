/** Calls to host agents. A host that does not answer is suspected until it syncs again. */
import type { JsonClient } from '../lib/http-client.ts';
import { AppError, codeOf } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import { AGENT_CALL_MS_MAX, ATTACH_MS_MAX } from '../model/limits.ts';
import type {
  AgentSuspendAnswer,
  AgentSuspendRequest,
  AttachRequest,
  CreateRequest,
  HostReport,
  Incarnation,
  SlotRef,
} from '../model/wire.ts';
import type { Fleet } from './fleet.ts';

/** Longer than an agent takes to resort to SIGKILL. */
const STOP_MS_MAX = 35_000;

export interface Agents {
  readonly attach: (
    host: string,
    request: AttachRequest,
    requestId: string,
  ) => Promise<Incarnation>;
  readonly create: (
    host: string,
    request: CreateRequest,
    requestId: string,
  ) => Promise<Incarnation>;
  readonly recycle: (host: string, slot: SlotRef, requestId: string) => Promise<void>;
  readonly suspend: (
    host: string,
    request: AgentSuspendRequest,
    requestId: string,
  ) => Promise<AgentSuspendAnswer>;
  readonly state: (host: string, requestId: string) => Promise<HostReport>;
  readonly identity: (host: string, database: string, requestId: string) => Promise<Identity>;
  /** @throws AppError `identity_conflict` if the document has moved on. */
  readonly putIdentity: (
    host: string,
    document: Identity,
    expectedVersion: number,
    requestId: string,
  ) => Promise<void>;
}

export function createAgents(client: JsonClient, fleet: Fleet): Agents {
  async function call<T>(
    host: string,
    path: string,
    requestId: string,
    timeoutMs: number,
    body?: unknown,
    method?: 'PUT',
  ): Promise<T> {
    const url = fleet.urlOf(host);
    if (url === undefined) throw new AppError('unavailable', { detail: `host ${host} is silent` });
    try {
      return await client.call<T>(`${url}${path}`, {
        timeoutMs,
        requestId,
        ...(body === undefined ? {} : { body }),
        ...(method === undefined ? {} : { method }),
      });
    } catch (error) {
      if (codeOf(error) === 'unavailable') fleet.suspect(host);
      throw error;
    }
  }

  return {
    attach: (host, request, id) => call(host, '/v1/attach', id, ATTACH_MS_MAX, request),
    create: (host, request, id) => call(host, '/v1/create', id, ATTACH_MS_MAX, request),
    recycle: (host, slot, id) => call(host, '/v1/recycle', id, AGENT_CALL_MS_MAX, slot),
    suspend: (host, request, id) => call(host, '/v1/suspend', id, STOP_MS_MAX, request),
    state: (host, id) => call(host, '/v1/state', id, AGENT_CALL_MS_MAX),
    identity: (host, database, id) => call(host, `/v1/identity/${database}`, id, AGENT_CALL_MS_MAX),
    putIdentity: (host, document, expectedVersion, id) =>
      call(
        host,
        `/v1/identity/${document.id}`,
        id,
        AGENT_CALL_MS_MAX,
        { expected_version: expectedVersion, document },
        'PUT',
      ),
  };
}
