/** The suspend verb: fenced by epoch at the index and again at the agent, which has the last look. */
import { codeOf } from '../model/errors.ts';
import { SUSPENDING_MS_MAX } from '../model/limits.ts';
import type { SuspendAnswer, SuspendRequest } from '../model/wire.ts';
import { databaseKept, databaseSuspend, databaseSuspended } from '../db/hot/database-suspend.ts';
import { databaseFind } from '../db/hot/database-find.ts';
import { orAway } from './anywhere.ts';
import { hearNow } from './attempt.ts';
import type { Parts } from './context.ts';

/** A no-op unless this epoch is the running one at the write. */
export async function suspendDatabase(
  deps: Parts,
  database: string,
  request: SuspendRequest,
  requestId: string,
): Promise<SuspendAnswer> {
  const { hot, fleet, agents } = deps;
  const { epoch, if_idle = false } = request;
  const known = fleet.running(database);
  // The agent has the last word; while the index is away, also the first.
  const runs = known?.epoch === epoch ? known.host : undefined;
  const begin = () => orAway(databaseSuspend(hot, database, epoch, SUSPENDING_MS_MAX), () => runs);
  const tell = (work: Promise<void>) => orAway(work, () => undefined);
  await fleet.told(database);
  let host = await begin();
  if (host === undefined) {
    // The caller may know of a start that the index has not heard of, or hears of at this moment.
    const row = await databaseFind(hot, database);
    if (row?.epoch === epoch && row.host !== null) {
      await hearNow(deps, row.host, requestId);
      host = await begin();
    }
  }
  if (host === undefined) return { outcome: 'not_current' };
  try {
    const answer = await agents.suspend(host, { database, epoch, if_idle }, requestId);
    const { outcome } = answer;
    // `not_current`: that epoch is over already; what else runs there the next sync tells.
    if (outcome !== 'busy') fleet.ended(database, epoch, { host, ...answer });
    if (outcome === 'busy') await tell(databaseKept(hot, database, epoch));
    else await tell(databaseSuspended(hot, database, epoch, answer));
    return { outcome };
  } catch (error) {
    deps.log.warn({ database, epoch, host, code: codeOf(error) }, 'the suspend came to nothing');
    await tell(databaseKept(hot, database, epoch));
    throw error;
  }
}
