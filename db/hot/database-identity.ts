/** Takes over what the identity document says, if it is newer than what is known (migration 0015). */
import type { Identity } from '../../model/identity.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_identity', 1);

/** @returns where a database was assigned that is deleted now. */
export async function databaseIdentity(
  hot: Hot,
  identity: Identity,
): Promise<{ readonly host: string; readonly epoch: number } | undefined> {
  const values = [JSON.stringify(identity)];
  return (await hot.durable<{ host: string; epoch: number }>(statement, values))[0];
}
