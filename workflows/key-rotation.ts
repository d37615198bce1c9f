/**
 * Gives databases a new password beside the old one, waits until everybody had time to change, and
 * ends the old one. Nothing is woken, and no password is ever in here.
 */
import {
  ApplicationFailure,
  condition,
  continueAsNew,
  defineUpdate,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import type { KeyActivities } from '../activities/keys.ts';
import { CONCURRENCY_MAX, type Page, type Paged } from '../model/cold/items.ts';
import {
  EMERGENCY,
  ROTATION_DEFAULTS,
  revokeRun,
  wrongRotation,
  type RotationInput,
  type RotationPlan,
  type RotationResult,
  type RotationStage,
} from '../model/cold/keys.ts';
import { workflowId } from '../model/cold/names.ts';
import { wrongActor, type Progress, type ResumeInput } from '../model/cold/operator.ts';
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

const short = proxyActivities<KeyActivities>(SHORT);
const paged = proxyActivities<KeyActivities>(PAGE);

const emergencyUpdate = defineUpdate<Progress, [ResumeInput]>(EMERGENCY);

function planOf(given: Omit<RotationInput, 'carried'>): RotationPlan {
  const plan = { ...ROTATION_DEFAULTS, ...given };
  const wrong = wrongRotation(plan);
  if (wrong !== undefined) throw badInput(wrong);
  return plan;
}

/** How far it is. */
interface State {
  stage: RotationStage;
  /** When the grace ends; null before it has begun. */
  revokeAtMs: number | null;
  emergency: boolean;
}

interface Rotating {
  readonly plan: RotationPlan;
  readonly run: string;
  readonly operator: Operator;
  readonly tolerance: Tolerance;
  readonly state: State;
}

function useEmergency(rotating: Rotating): void {
  setHandler(
    emergencyUpdate,
    () => {
      rotating.state.emergency = true;
      return rotating.operator.progress();
    },
    {
      validator(input) {
        const wrong = wrongActor(input);
        if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'bad_request');
      },
    },
  );
}

function work(
  rotating: Rotating,
  run: string,
  activity: 'rotationAdd' | 'rotationRevoke',
): Promise<PagesEnd> {
  const { plan, operator, tolerance } = rotating;
  const { name: rotation, role, retry_ms } = plan;
  return workPages({
    operator,
    tolerance,
    limit: () => plan.batch,
    page(page: Pick<Page, 'limit' | 'concurrency' | 'failures_left'>): Promise<Paged> {
      const summary = `${operator.progress().phase}: at most ${page.limit}, ${page.concurrency} at once`;
      const input = { run, rotation, role, retry_ms, ...page };
      return paged[activity].executeWithOptions({ summary }, [input]);
    },
  });
}

/** All databases of a stage, and those that were put back in line meanwhile. */
async function workStage(
  rotating: Rotating,
  run: string,
  activity: 'rotationAdd' | 'rotationRevoke',
  retried: () => boolean,
): Promise<PagesEnd> {
  for (;;) {
    const end = await work(rotating, run, activity);
    await rotating.operator.settled();
    if (end !== 'done' || !retried()) return end;
  }
}

const save = ({ plan }: Rotating, phase: 'grace' | 'revoking', revokeAtMs?: number) =>
  short.rotationPhase.executeWithOptions({ summary: phase }, [
    { rotation: plan.name, role: plan.role, phase, ...(revokeAtMs && { revokeAtMs }) },
  ]);

async function grace(rotating: Rotating): Promise<PagesEnd> {
  const { operator, plan, state } = rotating;
  state.revokeAtMs ??= Date.now() + (state.emergency ? 0 : plan.grace_ms);
  const { revokeAtMs } = state;
  operator.phase('grace');
  await save(rotating, 'grace', revokeAtMs);
  const left = revokeAtMs - Date.now();
  const isOver = (): boolean => state.emergency || operator.isAborted();
  const summary = `old passwords work until ${new Date(revokeAtMs).toISOString()}`;
  if (left > 0) await condition(isOver, left, { summary });
  return (await operator.checkpoint()) === 'aborted' ? 'aborted' : 'done';
}

async function rotate(rotating: Rotating, retried: () => boolean): Promise<PagesEnd> {
  const { operator, run, state } = rotating;
  if (state.stage === 'add') {
    operator.phase('adding');
    const end = await workStage(rotating, run, 'rotationAdd', retried);
    if (end !== 'done') return end;
    state.stage = 'grace';
  }
  if (state.stage === 'grace') {
    if ((await grace(rotating)) === 'aborted') return 'aborted';
    const { total } = await short.rotationRevokePlan(run);
    await save(rotating, 'revoking');
    state.stage = 'revoke';
    rotating.tolerance.forgiven = 0;
    operator.count({ done: 0, total, failed: 0 });
  }
  operator.phase('revoking');
  return workStage(rotating, revokeRun(run), 'rotationRevoke', retried);
}

function detailsOf(plan: RotationPlan, run: string, { revokeAtMs }: State): string {
  const until =
    revokeAtMs === null ? '' : ` Old passwords work until ${new Date(revokeAtMs).toISOString()}.`;
  return `role \`${plan.role}\`; the console opens the new passwords of rotation \`${plan.name}\`.${until} What became of which database: table run_item of cold Postgres, runs \`${run}\` and \`${revokeRun(run)}\`.`;
}

export async function keyRotation(input: RotationInput): Promise<RotationResult> {
  const { carried, ...given } = input;
  const plan = planOf(given);
  const run = workflowId.keyRotation(plan.name);
  const state: State = {
    stage: carried?.stage ?? 'add',
    revokeAtMs: carried?.revoke_at_ms ?? null,
    emergency: plan.emergency,
  };
  const operator = useOperator({
    phase: 'plan',
    concurrency: plan.concurrency,
    concurrencyMax: CONCURRENCY_MAX,
    carried: carried?.operator,
    details: () => detailsOf(plan, run, state),
    attributes: { FleetRunId: plan.name, FleetInitiator: plan.initiator },
  });
  const tolerance = { allowed: plan.failures_allowed, forgiven: carried?.forgiven ?? 0 };
  const rotating: Rotating = { plan, run, operator, tolerance, state };
  useEmergency(rotating);
  const retried = useRetryFailed(operator, () =>
    short.rotationRetryFailed.executeWithOptions({ summary: 'what failed, once more' }, [
      state.stage === 'revoke' ? revokeRun(run) : run,
    ]),
  );
  if (carried === undefined) operator.count({ total: (await short.rotationPlan(plan)).total });
  const end = await rotate(rotating, retried);
  if (end === 'continue') {
    await operator.settled();
    const next = {
      operator: operator.carry(),
      stage: state.stage,
      forgiven: tolerance.forgiven,
      revoke_at_ms: state.revokeAtMs,
    };
    return continueAsNew<typeof keyRotation>({
      ...input,
      emergency: state.emergency,
      carried: next,
    });
  }
  operator.phase(end);
  const last = { rotation: plan.name, role: plan.role, phase: end };
  const { added, revoked } = await short.rotationEnd(last);
  await operator.settled();
  return {
    outcome: end,
    total: added.total,
    added: added.done,
    revoked: revoked.done,
    failed: added.failed + revoked.failed,
    skipped: added.skipped + revoked.skipped,
  };
}
