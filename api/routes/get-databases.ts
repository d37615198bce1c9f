/** list */
import { z } from 'zod';
import { STATES } from '../../model/state.ts';
import { databaseList } from '../../db/hot/database-list.ts';
import { databaseAnswer } from '../database-answer.ts';
import { ok, route } from '../route.ts';
import { tenantName } from '../schemas.ts';

const PAGE = 100;
const PAGE_MAX = 1_000;

const query = z.strictObject({
  tenant: tenantName.optional(),
  state: z.enum(STATES).optional(),
  /** `key=value` */
  label: z
    .string()
    .regex(/^[^=]+=/, 'must be key=value')
    .optional(),
  /** The last id of the page before. */
  after: z.string().default(''),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE),
});

function labelsOf(label: string | undefined): Record<string, string> | null {
  if (label === undefined) return null;
  const at = label.indexOf('=');
  return { [label.slice(0, at)]: label.slice(at + 1) };
}

export const getDatabases = route({
  method: 'get',
  path: '/v1/databases',
  scopes: ['operator', 'cold'],
  summary: 'Databases in id order, a page at a time.',
  query,
  async handle(context, input) {
    const { tenant, state, label, after, limit } = input.query;
    const rows = await databaseList(context.hot, {
      after,
      tenant: tenant ?? null,
      state: state ?? null,
      labels: labelsOf(label),
      limit,
    });
    const last = rows.length === limit ? (rows.at(-1)?.id ?? null) : null;
    return ok({ databases: rows.map(databaseAnswer), next: last });
  },
});
