/** read: one row, and what its host says of why it is awake */
import { readQuery } from '../../contract/requests.ts';
import type { DatabaseDetail } from '../../model/wire.ts';
import { databaseGet } from '../../db/hot/database-find.ts';
import { databaseAnswer } from '../database-answer.ts';
import { ok, route } from '../route.ts';

export const getDatabase = route({
  method: 'get',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create', 'cold'],
  summary: 'One database, with who woke it and who keeps it awake.',
  query: readQuery,
  async handle(context, { params, query, requestId }) {
    const row = await databaseGet(context.hot, params['id'] ?? '');
    const host = query.awake ? (row.host ?? row.last_host) : null;
    // Its host may be gone: what the index knows is worth more than a refusal.
    const asked = host === null ? undefined : context.agents.awake(host, row.id, requestId);
    const said = await asked?.catch(() => undefined);
    const { woken_by = null, sessions = null, more = 0, wakes = [] } = said ?? {};
    const awake = said === undefined || said.epoch === null ? null : { woken_by, sessions, more };
    return ok({ ...databaseAnswer(row), awake, wakes } satisfies DatabaseDetail);
  },
});
