/** Calls to host agents. A host that does not answer is suspected until it syncs again. */
import type { CallOptions, JsonClient } from '../lib/json-client.ts';
import { AppError, codeOf } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import { AGENT_CALL_MS_MAX, ATTACH_MS_MAX } from '../model/limits.ts';
import type {
  AgentSuspendAnswer,
  AgentSuspendRequest,
  AttachRequest,
  AwakeAnswer,
  CreateRequest,
  DegradedAttachRequest,
  HostReport,
  Incarnation,
  SlotRef,
} from '../model/wire.ts';
import type { Fleet } from '../model/fleet.ts';

/**
 * Longer than an agent takes to look at a document or at sessions. A caller who waits 5 s and has two apis
 * gives each half: then another host is still to be asked.
 */
const LOOK_MS_MAX = 1_500;
/** Longer than an agent takes to resort to SIGKILL. */
const STOP_MS_MAX = 35_000;

export type Agents = ReturnType<typeof createAgents>;

export function createAgents(client: JsonClient, fleet: Fleet) {
  async function call<T>(
    host: string,
    path: string,
    requestId: string,
    options: Partial<CallOptions> = {},
  ): Promise<T> {
    const url = fleet.urlOf(host);
    if (url === undefined) throw new AppError('unavailable', { detail: `host ${host} is silent` });
    try {
      const timeoutMs = options.timeoutMs ?? AGENT_CALL_MS_MAX;
      return await client.call<T>(`${url}${path}`, { ...options, timeoutMs, requestId });
    } catch (error) {
      if (codeOf(error) === 'unavailable') fleet.suspect(host);
      throw error;
    }
  }

  return {
    attach: (host: string, body: AttachRequest | DegradedAttachRequest, id: string) =>
      call<Incarnation>(host, '/v1/attach', id, { body, timeoutMs: ATTACH_MS_MAX }),
    create: (host: string, body: CreateRequest, id: string) =>
      call<Incarnation>(host, '/v1/create', id, { body, timeoutMs: ATTACH_MS_MAX }),
    recycle: (host: string, body: SlotRef, id: string) =>
      call<unknown>(host, '/v1/recycle', id, { body }),
    suspend: (host: string, body: AgentSuspendRequest, id: string) =>
      call<AgentSuspendAnswer>(host, '/v1/suspend', id, { body, timeoutMs: STOP_MS_MAX }),
    state: (host: string, id: string) => call<HostReport>(host, '/v1/state', id),
    identity: (host: string, database: string, id: string) =>
      call<Identity>(host, `/v1/identity/${database}`, id, { timeoutMs: LOOK_MS_MAX }),
    awake: (host: string, database: string, id: string) =>
      call<AwakeAnswer>(host, `/v1/awake/${database}`, id, { timeoutMs: LOOK_MS_MAX }),
    /** @throws AppError `identity_conflict` if the document has moved on. */
    putIdentity: (host: string, document: Identity, expected_version: number, id: string) =>
      call<unknown>(host, `/v1/identity/${document.id}`, id, {
        method: 'PUT',
        body: { expected_version, document },
      }),
  };
}
