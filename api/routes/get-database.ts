/** read: one row, and what its host says of why it is awake */
import { readQuery } from '../../contract/requests.ts';
import type { DatabaseDetail } from '../../model/wire.ts';
import { databaseGet } from '../../db/hot/database-find.ts';
import { orAway } from '../anywhere.ts';
import type { Context } from '../context.ts';
import { answerOf, databaseAnswer } from '../database-answer.ts';
import { documentOf } from '../identity.ts';
import { ok, route } from '../route.ts';

/** By the volume and what hosts have said; neither knows the epoch of one that sleeps. */
export async function staleAnswer(deps: Context, id: string, requestId: string) {
  const document = await documentOf(deps, id, requestId);
  const { epoch = 0, host = null } = deps.fleet.running(id) ?? {};
  const state = host === null ? 'suspended' : 'running';
  const at = { state: document.deleted_at === null ? state : 'deleting', epoch, host } as const;
  return answerOf(document, { ...at, broken_reason: null }, true);
}

export const getDatabase = route({
  method: 'get',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create', 'cold'],
  summary: 'One database, with who woke it and who keeps it awake.',
  query: readQuery,
  async handle(context, { params, query, requestId }) {
    const id = params['id'] ?? '';
    const row = await orAway(databaseGet(context.hot, id), () => undefined);
    const answer = row ? databaseAnswer(row) : await staleAnswer(context, id, requestId);
    const host = query.awake ? (answer.host ?? row?.last_host ?? null) : null;
    // Its host may be gone: what the index knows is worth more than a refusal.
    const asked = host === null ? undefined : context.agents.awake(host, id, requestId);
    const said = await asked?.catch(() => undefined);
    const { woken_by = null, sessions = null, more = 0, wakes = [] } = said ?? {};
    const awake = said === undefined || said.epoch === null ? null : { woken_by, sessions, more };
    return ok({ ...answer, awake, wakes } satisfies DatabaseDetail);
  },
});
