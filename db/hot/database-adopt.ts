/** Rows for databases that this index does not know: migration 0010 has the function. */
import type { Identity } from '../../model/identity.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const missing = {
  name: 'database-missing',
  text: `
select u.id from unnest($1::text[]) u(id)
 where not exists (select from database d where d.id = u.id)`,
};

/** @returns which of them the index does not know. */
export async function databaseMissing(hot: Hot, databases: readonly string[]): Promise<string[]> {
  return (await hot.quick<{ id: string }>(missing, [databases])).map(({ id }) => id);
}

const adopt = callOf('database_adopt', 2);

/** @param host that spoke of it: its page cache, or its volume, has the data. */
export async function databaseAdopt(hot: Hot, identity: Identity, host: string): Promise<void> {
  await hot.durable(adopt, [JSON.stringify(identity), host]);
}
