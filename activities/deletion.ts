/** Activities of databaseDeletion. The agent decides what may be removed; here it is asked and noted. */
import { Context } from '@temporalio/activity';
import { holdRelease } from '../db/cold/hold-keep.ts';
import { holdTake } from '../db/cold/hold-take.ts';
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import type { Cold } from '../db/cold/pool.ts';
import { purgeRecord } from '../db/cold/purge-record.ts';
import type { JsonClient } from '../lib/json-client.ts';
import type { DeletionLook } from '../model/cold/deletion.ts';
import { workflowId } from '../model/cold/names.ts';
import { AppError, codeOf } from '../model/errors.ts';
import type { PurgeAnswer } from '../model/wire.ts';
import { createFleetCalls, type FleetHost } from './fleet-calls.ts';

export interface DeletionActivitiesDeps {
  readonly cold: Cold;
  readonly hot: HotFunctions;
  readonly api: JsonClient;
  readonly apiUrls: readonly string[];
  readonly agents: JsonClient;
}

const VERB = 'databaseDeletion';
/** Longer than the removal of a directory takes. */
const HOLD_MS = 60 * 60_000;
const HEARTBEAT_MS = 3_000;

export interface Purged extends PurgeAnswer {
  readonly host: string;
}

export function createDeletionActivities(deps: DeletionActivitiesDeps) {
  const { cold } = deps;
  const fleet = createFleetCalls(deps);

  /** The host that an error names as the holder first, then any that answers. */
  async function purgeAnywhere(database: string): Promise<Purged> {
    const { cancellationSignal } = Context.current();
    const hosts: FleetHost[] = [...(await fleet.hosts())];
    let last: unknown = new AppError('unavailable', { detail: 'there is no host' });
    for (let host = hosts.shift(); host !== undefined; host = hosts.shift()) {
      try {
        return { host: host.id, ...(await fleet.purge(host, database, cancellationSignal)) };
      } catch (error) {
        last = error;
        const code = codeOf(error);
        if (code !== 'held_elsewhere' && code !== 'unavailable' && code !== 'fenced') throw error;
      }
    }
    throw last;
  }

  return {
    async deletionLook(database: string): Promise<DeletionLook> {
      const { deleted_at } = await fleet.read(database);
      return { deleted_ms: deleted_at === null ? null : Date.parse(deleted_at) };
    },

    /** @throws failure `database_deleted` if the data are gone. */
    deletionUndelete: (database: string): Promise<void> => fleet.undelete(database),

    /**
     * Removes the data and keeps the proof. May be repeated: the agent then answers the same.
     * @throws failure `not_deleted` if it was undeleted; `held` while another operation is at it.
     */
    async deletionPurge(database: string): Promise<Purged> {
      const owner = workflowId.databaseDeletion(database);
      const taken = await holdTake(cold, { database, owner, kind: VERB, forMs: HOLD_MS });
      if (!taken.taken) throw new AppError('held', { detail: taken.kind });
      const context = Context.current();
      const heartbeat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
      try {
        const purged = await purgeAnywhere(database);
        await purgeRecord(cold, { database, ...purged });
        return purged;
      } finally {
        clearInterval(heartbeat);
        await holdRelease(cold, database, owner);
      }
    },
  };
}

export type DeletionActivities = ReturnType<typeof createDeletionActivities>;
