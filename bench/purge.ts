/** What databaseDeletion does in the end, for benches whose databases would fill the disk. */
import type { JsonClient } from '../lib/json-client.ts';
import { AppError } from '../model/errors.ts';

const PURGE_MS_MAX = 30_000;

export interface Agent {
  readonly url: string;
  readonly client: JsonClient;
}

/** Removes what a deleted database has left on the volume. @returns false if no host has done it now. */
export async function purge(
  agents: readonly Agent[],
  database: string,
  timeoutMs = PURGE_MS_MAX,
): Promise<boolean> {
  for (const { url, client } of agents) {
    try {
      await client.call(`${url}/v1/directories/${database}`, { method: 'DELETE', timeoutMs });
      return true;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return false;
}
