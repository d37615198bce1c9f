/**
 * Schedules as a table in the sources: what is missing is made, what differs is changed, and what an
 * operator did to a live one (paused it, with a note) stays. Never cron, and never the server's own
 * catch-up of a year.
 */
import { createHash } from 'node:crypto';
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleHandle,
  type ScheduleSpec,
} from '@temporalio/client';
import { Gauge, type Registry } from 'prom-client';
import type { Logger } from '../lib/log.ts';
import { METRICS_PREFIX } from '../lib/metrics.ts';
import { queueOf, type WorkflowType } from '../model/cold/names.ts';
import { reasonOf } from './connect.ts';

/** A line of the table. Times are UTC. */
export interface FleetSchedule {
  /** Never renamed: the old one would go on beside the new one. */
  readonly id: string;
  readonly type: WorkflowType;
  readonly args: readonly unknown[];
  /** Each run's id is this and its time. */
  readonly workflowId: string;
  readonly spec: ScheduleSpec;
  readonly overlap: 'SKIP' | 'BUFFER_ONE' | 'BUFFER_ALL';
  /** Times missed while the server was down are caught up with, if they are not older than this. */
  readonly catchupWindowMs: number;
  /** What an operator reads in the list of workflows. */
  readonly summary: string;
}

const CALL_MS = 5_000;
/** Says that a schedule is from this table: only such ones can be orphans. */
const MANAGED = 'pilotlight';
/** In the action's memo: what the schedule was made from. */
const MADE_FROM = 'pilotlight_made_from';

const hashOf = (schedule: FleetSchedule): string =>
  createHash('sha256').update(JSON.stringify(schedule)).digest('hex').slice(0, 16);

function definitionOf(schedule: FleetSchedule) {
  return {
    spec: { timezone: 'UTC', ...schedule.spec },
    policies: {
      overlap: schedule.overlap,
      catchupWindow: schedule.catchupWindowMs,
      pauseOnFailure: false,
    },
    action: {
      type: 'startWorkflow' as const,
      workflowType: schedule.type,
      workflowId: schedule.workflowId,
      taskQueue: queueOf(schedule.type),
      args: [...schedule.args],
      staticSummary: schedule.summary,
      memo: { [MADE_FROM]: hashOf(schedule) },
    },
  };
}

/** Makes it, or brings it to what the table says; its state (paused, note) is the operator's. */
async function reconcileOne(client: Client, schedule: FleetSchedule): Promise<void> {
  const handle: ScheduleHandle = client.schedule.getHandle(schedule.id);
  const definition = definitionOf(schedule);
  try {
    const live = await handle.describe();
    if (live.action.memo?.[MADE_FROM] === hashOf(schedule)) return;
    await handle.update((before) => ({ ...definition, state: before.state }));
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    const created = { ...definition, scheduleId: schedule.id, memo: { managed_by: MANAGED } };
    await client.schedule.create(created).catch((raced: unknown) => {
      if (!(raced instanceof ScheduleAlreadyRunning)) throw raced;
    });
  }
}

/**
 * Idempotent; several worker processes may do it at once.
 * @throws what the server said, or a deadline; call it again.
 */
export async function reconcileSchedules(
  client: Client,
  schedules: readonly FleetSchedule[],
): Promise<void> {
  for (const schedule of schedules)
    await client.withDeadline(Date.now() + CALL_MS, () => reconcileOne(client, schedule));
}

/** Schedules that were made from this table and are not in it any more: a person removes them. */
function orphansOf(client: Client, known: readonly string[]): Promise<readonly string[]> {
  return client.withDeadline(Date.now() + CALL_MS, async () => {
    const orphans: string[] = [];
    for await (const { scheduleId, memo } of client.schedule.list())
      if (memo?.['managed_by'] === MANAGED && !known.includes(scheduleId)) orphans.push(scheduleId);
    return orphans;
  });
}

const LOOK_MS = 60_000;
/** A list that could not be had. */
const UNKNOWN = -1;

export interface ScheduleWatchOptions {
  readonly client: Client;
  readonly registry: Registry;
  readonly log: Logger;
  /** Those that this process looks after. */
  readonly own: readonly FleetSchedule[];
  /** Ids of the whole table. */
  readonly known: readonly string[];
}

function createGauges(registry: Registry) {
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    new Gauge({ name: `${METRICS_PREFIX}${name}`, help, labelNames, registers: [registry] });
  return {
    orphans: gauge('schedule_orphans', 'schedules that are in no table any more; -1: not known'),
    missed: gauge('schedule_missed', 'runs that were missed for good', ['schedule']),
    paused: gauge('schedule_paused', '1 while an operator has it paused', ['schedule']),
  };
}

/** Looks every minute, and says when there are orphans. */
export function watchSchedules(options: ScheduleWatchOptions): { readonly stop: () => void } {
  const { client, log } = options;
  const gauges = createGauges(options.registry);
  let saidOrphans = '';

  async function look(): Promise<void> {
    const orphans = await orphansOf(client, options.known);
    gauges.orphans.set(orphans.length);
    const text = orphans.join(', ');
    if (text !== saidOrphans && text !== '')
      log.warn({ orphans }, 'schedules that no release knows: remove them by hand');
    saidOrphans = text;
    for (const { id } of options.own) {
      const live = await client.withDeadline(Date.now() + CALL_MS, () =>
        client.schedule.getHandle(id).describe(),
      );
      gauges.missed.set({ schedule: id }, live.info.numActionsMissedCatchupWindow);
      gauges.paused.set({ schedule: id }, live.state.paused ? 1 : 0);
    }
  }

  const lookAgain = (): void =>
    void look().catch((error: unknown) => {
      gauges.orphans.set(UNKNOWN);
      log.debug({ reason: reasonOf(error) }, 'the schedules can not be looked at');
    });
  const timer = setInterval(lookAgain, LOOK_MS);
  lookAgain();
  return { stop: () => clearInterval(timer) };
}
