/**
 * A create whose key has been used: the volume says of what it was the key. While nobody has logged
 * in, the answer to the first may have been lost, so that it is given again with a new password.
 */
import { withPassword } from '../lib/verifier.ts';
import { AppError, codeOf } from '../model/errors.ts';
import { OWNER_ROLE } from '../model/ids.ts';
import type { Identity, NewIdentity } from '../model/identity.ts';
import { databaseCreateUndo } from '../db/hot/database-create.ts';
import { databaseFind } from '../db/hot/database-find.ts';
import type { Context } from './context.ts';
import { changeIdentity, writerOf } from './identity.ts';

/** The document; without one another call is making it, or has died over it. */
async function readDocument(deps: Context, host: string, id: string, requestId: string) {
  try {
    return await deps.agents.identity(host, id, requestId);
  } catch (error) {
    if (codeOf(error) !== 'database_not_found') throw error;
    const row = await databaseFind(deps.hot, id);
    if (row?.state === 'suspended' && row.directory === null)
      await databaseCreateUndo(deps.hot, id);
    throw new AppError('held', { detail: 'this key is being used', cause: error });
  }
}

/**
 * @returns the epoch of the database that the key has made.
 * @throws AppError `key_reused` if that was another request, `already_created` with its `id` once
 * somebody has logged in, `database_deleted`, `held` while it is being made or does not say who has.
 */
export async function repeatCreate(
  deps: Context,
  asked: NewIdentity,
  password: string,
  requestId: string,
): Promise<number> {
  const { id, request } = asked;
  const host = writerOf(deps, id);
  const found = await readDocument(deps, host, id, requestId);
  if (found.request !== request) throw new AppError('key_reused');
  const { visited } = await deps.agents.awake(host, id, requestId);
  if (visited === null) throw new AppError('held', { detail: 'it does not say who has logged in' });
  if (visited) throw new AppError('already_created', { data: { id } });
  const changing = ({ roles }: Identity) => withPassword(roles, OWNER_ROLE, password, true);
  await changeIdentity(deps, id, changing, requestId, 'accepted');
  const row = await databaseFind(deps.hot, id).catch(() => undefined);
  return deps.fleet.running(id)?.epoch ?? row?.epoch ?? 1;
}
