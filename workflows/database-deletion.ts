/**
 * From the tombstone to the end of the data: waits until the retention is over, then has an agent
 * remove the data and keeps its proof. Until that moment an undelete brings everything back.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  defineUpdate,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import type { DeletionActivities, Purged } from '../activities/deletion.ts';
import {
  DELETION_DEFAULTS,
  UNDELETE,
  wrongDeletion,
  type DeletionInput,
  type DeletionPlan,
  type DeletionResult,
} from '../model/cold/deletion.ts';
import { wrongActor, type ResumeInput } from '../model/cold/operator.ts';
import { useOperator, type Operator } from './operator.ts';
import { RETRY, SHORT, badInput } from './pages.ts';

const short = proxyActivities<DeletionActivities>(SHORT);

/** An operator waits for the answer. */
const { deletionUndelete } = proxyActivities<DeletionActivities>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 minute',
  retry: { ...RETRY, maximumInterval: '5 seconds' },
});

const { deletionPurge } = proxyActivities<DeletionActivities>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '12 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { ...RETRY, nonRetryableErrorTypes: ['not_deleted', 'database_not_found'] },
});

const undeleteUpdate = defineUpdate<{ readonly outcome: 'undeleted' }, [ResumeInput]>(UNDELETE);

function planOf(input: DeletionInput): DeletionPlan {
  const plan = { ...DELETION_DEFAULTS, ...input };
  const wrong = wrongDeletion(plan);
  if (wrong !== undefined) throw badInput(wrong);
  return plan;
}

/** How far it is. */
interface State {
  undeleted: boolean;
  /** Null until the tombstone has been looked at. */
  purgeAtMs: number | null;
}

interface Deleting {
  readonly plan: DeletionPlan;
  readonly operator: Operator;
  readonly state: State;
}

/** An undelete that comes too late fails with the agent's word `database_deleted`. */
function useUndelete({ plan: { database }, state }: Deleting): void {
  setHandler(
    undeleteUpdate,
    async () => {
      await deletionUndelete.executeWithOptions({ summary: database }, [database]);
      state.undeleted = true;
      return { outcome: 'undeleted' } as const;
    },
    {
      validator(input) {
        const wrong = wrongActor(input);
        if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'bad_request');
      },
    },
  );
}

/**
 * Waits for the end of the retention, counted from the newest tombstone: it may have been taken back
 * and written again.
 */
async function retain(deleting: Deleting): Promise<'over' | 'undeleted' | 'aborted'> {
  const { plan, operator, state } = deleting;
  operator.phase('retention');
  for (;;) {
    const { deleted_ms } = await short.deletionLook(plan.database);
    if (deleted_ms === null) return 'undeleted';
    const purgeAtMs = deleted_ms + plan.retention_ms;
    state.purgeAtMs = purgeAtMs;
    operator.count({ total: 1 });
    const left = purgeAtMs - Date.now();
    const isOver = (): boolean => state.undeleted || operator.isAborted();
    const summary = `data stay until ${new Date(purgeAtMs).toISOString()}`;
    if (left > 0) await condition(isOver, left, { summary });
    if ((await operator.checkpoint()) === 'aborted') return 'aborted';
    if (left <= 0 || state.undeleted) return state.undeleted ? 'undeleted' : 'over';
  }
}

const isNotDeleted = (error: unknown): boolean =>
  error instanceof ActivityFailure &&
  error.cause instanceof ApplicationFailure &&
  error.cause.type === 'not_deleted';

/** @returns undefined if it was taken back at the last moment, or the purge was interrupted. */
async function purge({ plan, operator }: Deleting): Promise<Purged | undefined> {
  operator.phase('purge');
  try {
    const purged = await operator.interruptible(() =>
      deletionPurge.executeWithOptions({ summary: plan.database }, [plan.database]),
    );
    return purged === 'interrupted' ? undefined : purged;
  } catch (error) {
    if (isNotDeleted(error)) return undefined;
    throw error;
  }
}

async function run(deleting: Deleting): Promise<DeletionResult> {
  for (;;) {
    const retained = await retain(deleting);
    if (retained !== 'over') return { outcome: retained };
    const purged = await purge(deleting);
    if (purged !== undefined) return { outcome: 'purged', ...purged };
  }
}

export async function databaseDeletion(input: DeletionInput): Promise<DeletionResult> {
  const plan = planOf(input);
  const state: State = { undeleted: false, purgeAtMs: null };
  const until = (): string =>
    state.purgeAtMs !== null
      ? `The data stay until ${new Date(state.purgeAtMs).toISOString()}; Update \`${UNDELETE}\` brings the database back.`
      : '';
  const operator = useOperator({
    phase: 'retention',
    concurrency: 1,
    concurrencyMax: 1,
    details: until,
    attributes: { FleetDatabaseId: plan.database, FleetInitiator: plan.initiator },
  });
  const deleting: Deleting = { plan, operator, state };
  useUndelete(deleting);
  const result = await run(deleting);
  operator.phase(result.outcome);
  operator.count({ done: 1, total: 1 });
  await operator.settled();
  return result;
}
