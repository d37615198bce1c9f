/** Takes a host's whole state into the index: migration 0016 has the function, 0005 its order of locks. */
import type { HostReport } from '../../model/wire.ts';
import type { Hot } from './hot.ts';

const statement = {
  name: 'host-sync',
  text: `select host_sync($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb) as taken`,
};

/** @returns false if the index already has this version or a newer one. */
export async function hostSync(hot: Hot, report: HostReport): Promise<boolean> {
  const { host, url, boot, version, volume } = report;
  const [capacity, slots] = [JSON.stringify(report.capacity), JSON.stringify(report.slots)];
  const values = [host, url, boot, version, volume.kind === 'local', capacity, slots];
  return (await hot.quick<{ taken: boolean }>(statement, values))[0]?.taken ?? false;
}
