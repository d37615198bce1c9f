/** How many warm slots each host is to have of a size; undefined where nobody has said so. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'pool-target-find',
  text: 'select warm_per_host from pool_target where size = $1',
};

export async function poolTargetFind(cold: Cold, size: string): Promise<number | undefined> {
  const rows = await cold.quick<{ warm_per_host: number }>(statement, [size]);
  return rows[0]?.warm_per_host;
}
