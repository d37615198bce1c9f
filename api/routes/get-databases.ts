/** list */
import { listQuery } from '../../contract/requests.ts';
import { databaseList } from '../../db/hot/database-list.ts';
import { databaseAnswer } from '../database-answer.ts';
import { ok, route } from '../route.ts';

function labelsOf(label: string | undefined): Record<string, string> | null {
  if (label === undefined) return null;
  const at = label.indexOf('=');
  return { [label.slice(0, at)]: label.slice(at + 1) };
}

/** The tenants to list: those that the caller may see, or one of them. */
function seen(mine: readonly string[] | undefined, wanted: string | undefined) {
  if (wanted === undefined) return mine ?? null;
  return mine === undefined || mine.includes(wanted) ? [wanted] : [];
}

export const getDatabases = route({
  method: 'get',
  path: '/v1/databases',
  scopes: ['operator', 'cold', 'create'],
  summary: 'Databases in id order, a page at a time.',
  query: listQuery,
  async handle(context, input) {
    const { tenant, state, label, after, limit } = input.query;
    const rows = await databaseList(context.hot, {
      after,
      tenants: seen(input.caller.tenants, tenant),
      state: state ?? null,
      labels: labelsOf(label),
      limit,
    });
    const last = rows.length === limit ? (rows.at(-1)?.id ?? null) : null;
    return ok({ databases: rows.map(databaseAnswer), next: last });
  },
});
