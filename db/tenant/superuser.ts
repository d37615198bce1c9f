/** The agent's own connection into a tenant's Postgres: to the database that only the superuser may enter. */
import pg from 'pg';
import { SUPERUSER } from '../../model/tenant-role.ts';
import type { Address } from '../../model/wire.ts';

export const OWN_DATABASE = 'postgres';

/**
 * @param options of libpq.
 * @throws what pg throws if Postgres does not answer within `timeoutMs`; so does each query.
 */
export async function openAsSuperuser(
  address: Address,
  timeoutMs: number,
  options?: string,
): Promise<pg.Client> {
  const client = new pg.Client({
    host: address.socket,
    port: address.port,
    user: SUPERUSER,
    database: OWN_DATABASE,
    application_name: 'pilotlight',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    ...(options === undefined ? {} : { options }),
  });
  // One that breaks while nothing is asked says nothing that the next query does not.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** The same for as long as `work` takes. */
export async function asSuperuser<T>(
  address: Address,
  timeoutMs: number,
  work: (client: pg.Client) => Promise<T>,
  options?: string,
): Promise<T> {
  const client = await openAsSuperuser(address, timeoutMs, options);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
