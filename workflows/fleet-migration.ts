/**
 * Applies a folder of SQL files to databases of the fleet, once each: some as a canary, a bake, then
 * the others in batches. Sleeping ones are woken while enough is vacant for demand, and put back.
 */
import { continueAsNew, proxyActivities } from '@temporalio/workflow';
import type { MigrationActivities } from '../activities/migrations.ts';
import { CONCURRENCY_MAX, type Paged } from '../model/cold/items.ts';
import {
  MIGRATION_DEFAULTS,
  wrongMigration,
  type MigrationInput,
  type MigrationPlan,
  type MigrationPlanned,
  type MigrationResult,
} from '../model/cold/migrations.ts';
import { workflowId } from '../model/cold/names.ts';
import { useOperator, type Operator } from './operator.ts';
import {
  PAGE,
  SHORT,
  badInput,
  useRetryFailed,
  workPages,
  type PagesEnd,
  type Tolerance,
} from './pages.ts';

const short = proxyActivities<MigrationActivities>(SHORT);
const { migrationPage } = proxyActivities<MigrationActivities>(PAGE);

function planOf(given: Omit<MigrationInput, 'carried'>): MigrationPlan {
  const plan = { ...MIGRATION_DEFAULTS, ...given };
  const wrong = wrongMigration(plan);
  if (wrong !== undefined) throw badInput(wrong);
  return plan;
}

interface Migration {
  readonly plan: MigrationPlan;
  readonly planned: Pick<MigrationPlanned, 'files'>;
  readonly operator: Operator;
  readonly tolerance: Tolerance;
}

function work(migration: Migration, limit: (paged: Paged | undefined) => number) {
  const { plan, planned, operator, tolerance } = migration;
  const { folder, retry_ms, lock_timeout_ms, statement_timeout_ms } = plan;
  const { files } = planned;
  const run = workflowId.fleetMigration(plan.name);
  return workPages({
    operator,
    tolerance,
    limit,
    page(page) {
      const summary = `${operator.progress().phase}: at most ${page.limit}, ${page.concurrency} at once`;
      const timeouts = { lock_timeout_ms, statement_timeout_ms };
      return migrationPage.executeWithOptions({ summary }, [
        { run, folder, files, retry_ms, ...timeouts, ...page },
      ]);
    },
  });
}

/** The canary and its bake. A run that was continued in its batches is past it. */
async function canary(migration: Migration): Promise<PagesEnd> {
  const { plan, operator } = migration;
  const ended = ({ done, failed, skipped }: Paged): number => done + failed + skipped;
  if (plan.canary === 0 || operator.progress().phase === 'batches') return 'done';
  operator.phase('canary');
  const left = (paged: Paged | undefined): number =>
    plan.canary - (paged === undefined ? 0 : ended(paged));
  const end = await work(migration, left);
  const { done, failed, total } = operator.progress();
  if (end !== 'done' || done + failed >= total) return end;
  operator.phase('bake');
  const baked = await operator.wait(plan.bake_ms, 'bake after the canary');
  return baked === 'aborted' ? 'aborted' : 'done';
}

async function batches(migration: Migration, retried: () => boolean): Promise<PagesEnd> {
  const { plan, operator } = migration;
  for (;;) {
    operator.phase('batches');
    const end = await work(migration, () => plan.batch);
    await operator.settled();
    // What was put back in line meanwhile is worked off as well.
    if (end !== 'done' || !retried()) return end;
  }
}

export async function fleetMigration(input: MigrationInput): Promise<MigrationResult> {
  const { carried, ...given } = input;
  const plan = planOf(given);
  const run = workflowId.fleetMigration(plan.name);
  const operator = useOperator({
    phase: 'plan',
    concurrency: plan.concurrency,
    concurrencyMax: CONCURRENCY_MAX,
    carried: carried?.operator,
    details: () =>
      `canary ${plan.canary}, then batches of ${plan.batch}; ${plan.failures_allowed} failures allowed. What became of which database: table run_item of cold Postgres, run \`${run}\`.`,
    attributes: { FleetRunId: plan.name, FleetInitiator: plan.initiator },
  });
  const retried = useRetryFailed(operator, () =>
    short.migrationRetryFailed.executeWithOptions({ summary: 'what failed, once more' }, [run]),
  );
  const planned = carried ?? (await short.migrationPlan(plan));
  if ('total' in planned) operator.count({ total: planned.total });
  const tolerance = { allowed: plan.failures_allowed, forgiven: carried?.forgiven ?? 0 };
  const migration = { plan, planned, operator, tolerance };
  const first = await canary(migration);
  const end = first === 'done' ? await batches(migration, retried) : first;
  if (end === 'continue') {
    await operator.settled();
    const { files } = planned;
    const { forgiven } = tolerance;
    const next = { operator: operator.carry(), files, forgiven };
    return continueAsNew<typeof fleetMigration>({ ...input, carried: next });
  }
  operator.phase(end);
  const { total, done, failed, skipped } = await short.migrationEnd(run, end);
  operator.count({ done: done + skipped, total, failed });
  await operator.settled();
  return { outcome: end, total, done, failed, skipped };
}
