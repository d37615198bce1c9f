/** What the owner of holds does with them: makes them last longer, or gives them up. */
import type { Cold } from './pool.ts';

const renew = {
  name: 'hold-renew',
  text: `
update hold set until = now() + $3 * interval '1 millisecond'
 where database_id = any ($1) and owner = $2 and until > now()
returning database_id as database`,
};

/** @returns those that are still held; of the others the work must stop. */
export async function holdRenew(
  cold: Cold,
  databases: readonly string[],
  owner: string,
  forMs: number,
): Promise<string[]> {
  const rows = await cold.quick<{ database: string }>(renew, [databases, owner, forMs]);
  return rows.map((row) => row.database);
}

const release = {
  name: 'hold-release',
  text: `delete from hold where database_id = $1 and owner = $2`,
};

export async function holdRelease(cold: Cold, database: string, owner: string): Promise<void> {
  await cold.quick(release, [database, owner]);
}

const releaseAll = { name: 'hold-release-all', text: `delete from hold where owner = $1` };

/** For the end of a run, whatever was left over. */
export async function holdReleaseAll(cold: Cold, owner: string): Promise<void> {
  await cold.quick(releaseAll, [owner]);
}
