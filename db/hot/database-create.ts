/**
 * A new database with its slot in one durable statement (migration 0007): a warm slot if there is one, else
 * a vacant one for a clone. Without either nothing is written.
 */
import type { NewIdentity } from '../../model/identity.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';
import type { CreateClaim } from './rows.ts';

const statement = callOf('database_create', 7);

/**
 * @param databasesMax how many the tenant may have.
 * @throws the unique violation 23505 if the id exists.
 */
export async function databaseCreate(
  hot: Hot,
  identity: NewIdentity,
  hosts: readonly string[],
  deadlineMs: number,
  databasesMax: number,
): Promise<CreateClaim> {
  const rows = await hot.durable<CreateClaim>(statement, [
    identity.id,
    identity.tenant,
    identity.size,
    hosts,
    JSON.stringify(identity),
    deadlineMs,
    databasesMax,
  ]);
  if (rows[0] === undefined) throw new Error('BUG: a create without an answer');
  return rows[0];
}

const undo = callOf('database_create_undo', 1);

/** The agent made nothing: the row goes, and the next sync of its host says what the slot holds. */
export async function databaseCreateUndo(hot: Hot, database: string): Promise<void> {
  await hot.durable(undo, [database]);
}
