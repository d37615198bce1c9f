/** Makes new transactions of a tenant's Postgres read-only, or no longer. */
import type { Address } from '../../model/wire.ts';
import { asSuperuser } from './superuser.ts';

export const READ_ONLY_SETTING = 'default_transaction_read_only';

/**
 * Of sessions that are open as well, from their next transaction on. Whoever wants to make room can still
 * `set transaction read write`, delete and vacuum. Stays over restarts.
 * @throws what pg throws if Postgres does not answer within `timeoutMs`.
 */
export async function setReadOnly(address: Address, to: boolean, timeoutMs: number): Promise<void> {
  await asSuperuser(
    address,
    timeoutMs,
    async (client) => {
      await client.query(
        to
          ? `alter system set ${READ_ONLY_SETTING} = on`
          : `alter system reset ${READ_ONLY_SETTING}`,
      );
      await client.query('select pg_reload_conf()');
    },
    `-c ${READ_ONLY_SETTING}=off`,
  );
}
