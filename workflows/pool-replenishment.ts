/**
 * Keeps warm slots ready: looks what each host lacks of the target, builds it with bounded builds
 * per host and in all, and goes on looking until its time is over. The schedule starts the next run.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { PoolActivities } from '../activities/pool.ts';
import {
  POOL_DEFAULTS,
  POOL_IN_ALL_MAX,
  type HostPlan,
  type PoolBuilt,
  type PoolInput,
  type PoolPlan,
  type PoolResult,
} from '../model/cold/pool.ts';
import { isSizeName } from '../model/sizes.ts';
import { useOperator, type Operator } from './operator.ts';

const NON_RETRYABLE = ['bad_request', 'unknown_size', 'unauthenticated', 'forbidden'];

/** A look waits for hot Postgres to come back: the run is there, so that no other one is started. */
const { poolLook } = proxyActivities<PoolActivities>({
  startToCloseTimeout: '15 minutes',
  scheduleToCloseTimeout: '30 minutes',
  heartbeatTimeout: '15 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: {
    initialInterval: '1 second',
    maximumInterval: '10 seconds',
    nonRetryableErrorTypes: NON_RETRYABLE,
  },
});

/** A build that fails is left to the next look. */
const { poolBuild } = proxyActivities<PoolActivities>({
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '12 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { maximumAttempts: 2, nonRetryableErrorTypes: NON_RETRYABLE },
});

/** After a round: until the hosts' own reports tell of what was built. */
const SETTLE_MS = 2_000;
/** After a round in which something failed. */
const FAILED_MS = 10_000;
/** One look of the schedule's runs at most; the activity's time-out is longer. */
const WATCH_MS_MAX = 10 * 60_000;

type Limits = Required<PoolInput>;

function limitsOf(input: PoolInput): Limits {
  const limits = { ...POOL_DEFAULTS, ...input };
  const bad = (what: string): ApplicationFailure =>
    ApplicationFailure.nonRetryable(`the input is wrong: ${what}`, 'bad_request');
  if (!isSizeName(limits.size)) throw bad('size');
  if (!(limits.per_host >= 1)) throw bad('per_host');
  if (!(limits.in_all >= 1 && limits.in_all <= POOL_IN_ALL_MAX)) throw bad('in_all');
  if (!(limits.watch_ms >= 0 && limits.watch_ms <= WATCH_MS_MAX)) throw bad('watch_ms');
  if (!(limits.look_ms >= 100)) throw bad('look_ms');
  return limits;
}

/** What one host built; a host that does not answer has built nothing and failed at all of it. */
async function buildAt(
  operator: Operator,
  limits: Limits,
  plan: HostPlan,
  target: number,
  atOnce: number,
): Promise<PoolBuilt> {
  const { size } = limits;
  const { url, builds } = plan;
  try {
    const summary = `${plan.host}: ${builds} × ${size}`;
    const built = await operator.interruptible(() =>
      poolBuild.executeWithOptions({ summary }, [{ size, url, target, builds, at_once: atOnce }]),
    );
    return built === 'interrupted' ? { built: 0, failed: 0 } : built;
  } catch (error) {
    if (error instanceof ActivityFailure && !isCancellation(error))
      return { built: 0, failed: builds };
    throw error;
  }
}

/** Builds at all hosts, as many at once as the operator lets. */
async function buildAll(operator: Operator, limits: Limits, plan: PoolPlan): Promise<PoolBuilt> {
  let inFlight = 0;
  const running: Promise<void>[] = [];
  const sum = { built: 0, failed: 0 };

  async function build(host: HostPlan, atOnce: number): Promise<void> {
    const { built, failed } = await buildAt(operator, limits, host, plan.target, atOnce);
    inFlight -= atOnce;
    sum.built += built;
    sum.failed += failed;
    const { done, failed: before } = operator.progress();
    operator.count({ done: done + built, failed: before + failed });
  }

  for (const host of plan.hosts) {
    if ((await operator.checkpoint()) === 'aborted') break;
    const want = (): number => Math.min(limits.per_host, host.builds, operator.concurrency());
    await condition(() => inFlight + want() <= operator.concurrency());
    const atOnce = want();
    inFlight += atOnce;
    running.push(build(host, atOnce));
  }
  await Promise.all(running);
  return sum;
}

export async function poolReplenishment(input: PoolInput): Promise<PoolResult> {
  const limits = limitsOf(input);
  const operator = useOperator({
    phase: 'look',
    concurrency: limits.in_all,
    concurrencyMax: POOL_IN_ALL_MAX,
    attributes: { FleetRunId: limits.size },
  });
  const until = workflowInfo().runStartTime.getTime() + limits.watch_ms;
  const timeLeft = (): number => Math.max(0, until - Date.now());
  let noRoom = 0;

  while ((await operator.checkpoint()) === 'go') {
    operator.phase('look');
    const wait_ms = timeLeft();
    const plan = await operator.interruptible(() =>
      poolLook.executeWithOptions({ summary: `${limits.size}: what is missing` }, [
        { size: limits.size, wait_ms, look_ms: limits.look_ms },
      ]),
    );
    if (plan === 'interrupted') continue;
    noRoom = plan.no_room;
    if (plan.hosts.length > 0) {
      operator.phase('build');
      const missing = plan.hosts.reduce((sum, host) => sum + host.builds, 0);
      operator.count({ total: operator.progress().total + missing });
      const { failed } = await buildAll(operator, limits, plan);
      if (timeLeft() > 0)
        await operator.wait(failed > 0 ? FAILED_MS : SETTLE_MS, 'until the next look');
    }
    if (timeLeft() === 0 || workflowInfo().continueAsNewSuggested) break;
  }
  operator.phase('done');
  await operator.settled();
  const { done, failed } = operator.progress();
  const outcome = operator.isAborted() ? 'aborted' : 'done';
  return { outcome, built: done, failed, no_room: noRoom };
}
