/** A database as the events tell it. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'database-find',
  text: `select id, tenant, size, state, directory, deleted_ms from database where id = $1`,
};

export interface ColdDatabase {
  readonly id: string;
  readonly tenant: string;
  readonly size: string;
  readonly state: 'live' | 'deleted' | 'undone' | 'purged';
  /** Null until an agent has spoken of it. */
  readonly directory: string | null;
  readonly deleted_ms: number | null;
}

export async function databaseFind(cold: Cold, id: string): Promise<ColdDatabase | undefined> {
  const rows = await cold.durable<ColdDatabase>(statement, [id]);
  return rows[0];
}
