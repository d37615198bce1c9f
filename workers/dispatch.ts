/**
 * Dispatch: what an event asks for → a workflow with a deterministic id. Reads cold `event` after a
 * cursor of its own, and moves it when the starts have been accepted; so after an outage it catches
 * up, and what is started twice is started once.
 */
import {
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  type Client,
  type WorkflowIdReusePolicy,
} from '@temporalio/client';
import { dispatchMove, dispatchNext, type DispatchEvent } from '../db/cold/dispatch.ts';
import type { Cold } from '../db/cold/pool.ts';
import type { Logger } from '../lib/log.ts';
import { queueOf, workflowId, type WorkflowType } from '../model/cold/names.ts';
import { AppError } from '../model/errors.ts';
import { startLoop, type Loop } from './loop.ts';

interface Rule {
  readonly type: WorkflowType;
  readonly id: (event: DispatchEvent) => string;
  readonly args: (event: DispatchEvent) => readonly unknown[];
  readonly summary: (event: DispatchEvent) => string;
}

/** Kind of event → what it starts. */
const RULES: Readonly<Record<string, Rule>> = {
  database_deleted: {
    type: 'databaseDeletion',
    id: (event) => workflowId.databaseDeletion(event.database),
    args: (event) => [{ database: event.database, initiator: 'dispatch' }],
    summary: (event) => `deletion of ${event.database}`,
  },
};

const CURSOR = 'workflows';
/** The server completes some tens of workflows a second; more at once only wait there. */
const EVENTS_PER_ROUND = 20;
const LOOK_MS = 1_000;
const CALL_MS = 5_000;
/** In the memo of a workflow: the event that it was started for. */
const EVENT = 'event';

export interface DispatchParts {
  readonly cold: Cold;
  readonly temporal: Client;
}

function start(
  temporal: Client,
  rule: Rule,
  event: DispatchEvent,
  workflowIdReusePolicy: WorkflowIdReusePolicy,
): Promise<unknown> {
  return temporal.workflow.start(rule.type, {
    workflowId: rule.id(event),
    taskQueue: queueOf(rule.type),
    args: [...rule.args(event)],
    workflowIdReusePolicy,
    memo: { [EVENT]: event.id },
    staticSummary: rule.summary(event),
  });
}

/**
 * There is a run of this id already. One that is under way takes this event as well. One that has
 * ended was for this event, unless it was for an earlier one: a database that was deleted, brought
 * back and deleted again.
 */
async function startAgain(temporal: Client, rule: Rule, event: DispatchEvent): Promise<void> {
  const { status, memo } = await temporal.workflow.getHandle(rule.id(event)).describe();
  const was = memo?.[EVENT];
  const ended = status.name !== 'RUNNING' && status.name !== 'CONTINUED_AS_NEW';
  if (!ended || (typeof was === 'number' && was >= event.id)) return;
  await start(temporal, rule, event, 'ALLOW_DUPLICATE');
}

/** @throws AppError `unavailable` if the server did not say yes. */
async function accept(temporal: Client, rule: Rule, event: DispatchEvent): Promise<void> {
  try {
    await temporal.withDeadline(Date.now() + CALL_MS, async () => {
      try {
        await start(temporal, rule, event, 'REJECT_DUPLICATE');
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        await startAgain(temporal, rule, event);
      }
    });
  } catch (error) {
    // Another dispatch was faster by a moment.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return;
    if (error instanceof ServiceError) throw new AppError('unavailable', { cause: error });
    throw error;
  }
}

/**
 * One page of events. It ends when all its starts have ended: one that went on by itself would meet a
 * connection that was closed meanwhile.
 * @returns how many; all of them are accepted.
 * @throws AppError `unavailable` if one of them is not.
 */
export async function dispatchRound(
  { cold, temporal }: DispatchParts,
  most = EVENTS_PER_ROUND,
): Promise<number> {
  const events = await dispatchNext(cold, CURSOR, Object.keys(RULES), most);
  const ends = await Promise.allSettled(
    events.map(async (event) => {
      const rule = RULES[event.kind];
      if (rule !== undefined) await accept(temporal, rule, event);
    }),
  );
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  const last = events.at(-1);
  if (last !== undefined) await dispatchMove(cold, CURSOR, last.id);
  return events.length;
}

/** Dispatches until it is stopped. */
export function startDispatch(options: DispatchParts & { readonly log: Logger }): Loop {
  return startLoop({
    name: 'dispatch',
    log: options.log,
    everyMs: LOOK_MS,
    round: async () => ((await dispatchRound(options)) === EVENTS_PER_ROUND ? 'at once' : 'later'),
  });
}
