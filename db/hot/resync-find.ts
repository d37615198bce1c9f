/** Hosts that the index wants to hear again, though nothing has changed there since their last report. */
import type { Hot } from './hot.ts';

const statement = { name: 'resync-find', text: 'select distinct host_id from resync' };

export async function resyncFind(hot: Hot): Promise<readonly string[]> {
  return (await hot.quick<{ host_id: string }>(statement, [])).map(({ host_id }) => host_id);
}
