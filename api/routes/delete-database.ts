/** delete: the tombstone, and an end to what runs; the data go later */
import { deleteDatabase } from '../identity.ts';
import { ok, route } from '../route.ts';

export const deleteDatabaseRoute = route({
  method: 'delete',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create'],
  summary: 'Delete a database. Nothing wakes it any more; its data go later.',
  async handle(context, input) {
    const id = input.params['id'] ?? '';
    const deleted_at = await deleteDatabase(context, id, input.requestId);
    return ok({ id, deleted_at });
  },
});
