/** Takes over what the identity document says, if it is newer than what is known (migration 0014). */
import type { Identity } from '../../model/identity.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('database_identity', 1);

/** @returns where a deleted database was assigned; where one that is not deleted any more ran last. */
export async function databaseIdentity(
  hot: Hot,
  identity: Identity,
): Promise<{ readonly host: string; readonly epoch: number } | undefined> {
  const values = [JSON.stringify(identity)];
  return (await hot.durable<{ host: string; epoch: number }>(statement, values))[0];
}
