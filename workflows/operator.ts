/**
 * The one pattern for talking to a running workflow: Updates pause, resume, abort and setConcurrency,
 * the query `progress`, and what the Temporal UI shows of it (current details, search attributes).
 *
 * A workflow calls `useOperator` first of all, and between steps asks `checkpoint()`, which waits
 * while the run is paused and says whether to go on. Abort is an outcome, not an error: the workflow
 * ends in order and answers `aborted`.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { PROGRESS, SEARCH_ATTRIBUTES, UPDATES } from '../model/cold/names.ts';
import type { SearchAttributeName, SearchAttributeValues } from '../model/cold/names.ts';
import {
  PAUSED_BY_ITSELF,
  wrongActor,
  wrongConcurrency,
  wrongReason,
  type AbortInput,
  type OperatorState,
  type PauseInput,
  type Progress,
  type ResumeInput,
  type SetConcurrencyInput,
} from '../model/cold/operator.ts';

const pauseUpdate = defineUpdate<Progress, [PauseInput]>(UPDATES.pause);
const resumeUpdate = defineUpdate<Progress, [ResumeInput]>(UPDATES.resume);
const abortUpdate = defineUpdate<Progress, [AbortInput]>(UPDATES.abort);
const setConcurrencyUpdate = defineUpdate<Progress, [SetConcurrencyInput]>(UPDATES.setConcurrency);
const progressQuery = defineQuery<Progress>(PROGRESS);

/** Whether to begin the next step. */
export type Go = 'go' | 'aborted';

export interface OperatorOptions {
  /** The first phase; of a run that continues another, `carried` holds it. */
  readonly phase: string;
  readonly concurrency: number;
  /** The largest that setConcurrency takes. */
  readonly concurrencyMax: number;
  /** What `carry()` of the run before gave, after a continue-as-new. */
  readonly carried?: OperatorState | undefined;
  /** Markdown below the table of current details, made anew at each change; keep it small. */
  readonly details?: (progress: Progress) => string;
  /** Attributes that hold for the whole run, such as FleetRunId and FleetInitiator. */
  readonly attributes?: SearchAttributeValues;
}

export interface Operator {
  readonly progress: () => Progress;
  readonly concurrency: () => number;
  readonly isAborted: () => boolean;
  /** Sets the phase; shown in the UI and as FleetPhase. */
  readonly phase: (name: string) => void;
  /** Sets what is named; FleetFailures follows `failed`. */
  readonly count: (counts: Partial<Pick<Progress, 'done' | 'total' | 'failed'>>) => void;
  /** The workflow pauses itself, for example because more failed than was allowed. */
  readonly pause: (reason: string) => void;
  /** Waits while paused. Call it before every step that must not begin when paused or aborted. */
  readonly checkpoint: () => Promise<Go>;
  /** A timer that an abort ends early; afterwards as `checkpoint`. */
  readonly wait: (ms: number, summary: string) => Promise<Go>;
  /**
   * Runs activities that are cancelled when the run is paused or aborted. An activity that answers
   * in spite of it is heard; else `interrupted`, and the step is to be done again after a checkpoint.
   * The activities' options need `cancellationType: 'WAIT_CANCELLATION_COMPLETED'` and heartbeats.
   */
  readonly interruptible: <T>(work: () => Promise<T>) => Promise<T | 'interrupted'>;
  /** Waits for the handlers in flight. Call it before the end and before a continue-as-new. */
  readonly settled: () => Promise<void>;
  /** For `carried` of the next run. */
  readonly carry: () => OperatorState;
}

/** Only an ApplicationFailure is an answer: any other error would fail the task again and again. */
function refuse(wrong: string | undefined): void {
  if (wrong !== undefined) throw ApplicationFailure.nonRetryable(wrong, 'bad_request');
}

function setAttributes(values: SearchAttributeValues): void {
  const pairs = Object.entries(values).map(([name, value]) => ({
    key: { name, type: SEARCH_ATTRIBUTES[name as SearchAttributeName] },
    value,
  }));
  if (pairs.length > 0)
    upsertSearchAttributes(pairs as Parameters<typeof upsertSearchAttributes>[0]);
}

/** What the UI shows under the workflow's name. */
function detailsOf(now: Progress, more: string): string {
  const lines = [
    `**${now.phase}**: ${now.done} of ${now.total} done, ${now.failed} failed, ${now.concurrency} at once`,
  ];
  if (now.aborted_by !== null) lines.push('', `aborted by ${now.aborted_by}`);
  else if (now.paused_by !== null)
    lines.push('', `paused by ${now.paused_by}: ${now.pause_reason ?? ''}`);
  if (more !== '') lines.push('', more);
  return lines.join('\n');
}

interface State {
  readonly now: () => Progress;
  readonly change: (what: Partial<Progress>) => Progress;
  /** What a pause or an abort cancels. */
  readonly scopes: Set<CancellationScope>;
  readonly isAborted: () => boolean;
}

function createState(options: OperatorOptions): State {
  let now: Progress = options.carried ?? {
    phase: options.phase,
    done: 0,
    total: 0,
    failed: 0,
    concurrency: options.concurrency,
    paused_by: null,
    pause_reason: null,
    aborted_by: null,
  };
  const scopes = new Set<CancellationScope>();
  const show = (): void => setCurrentDetails(detailsOf(now, options.details?.(now) ?? ''));

  function change(what: Partial<Progress>): Progress {
    const before = now;
    now = { ...now, ...what };
    if (now.phase !== before.phase) setAttributes({ FleetPhase: now.phase });
    if (now.failed !== before.failed) setAttributes({ FleetFailures: now.failed });
    show();
    if (now.paused_by !== null || now.aborted_by !== null)
      for (const scope of scopes) scope.cancel();
    return now;
  }
  setAttributes({
    FleetVerb: workflowInfo().workflowType,
    FleetPhase: now.phase,
    FleetFailures: now.failed,
    ...options.attributes,
  });
  show();
  return { now: () => now, change, scopes, isAborted: () => now.aborted_by !== null };
}

function setHandlers({ now, change }: State, concurrencyMax: number): void {
  setHandler(progressQuery, now);
  setHandler(
    pauseUpdate,
    // Who paused first is kept, so that a repeated command changes nothing.
    ({ actor, reason }) =>
      now().paused_by === null ? change({ paused_by: actor, pause_reason: reason }) : now(),
    { validator: (input) => refuse(wrongActor(input) ?? wrongReason(input)) },
  );
  setHandler(resumeUpdate, () => change({ paused_by: null, pause_reason: null }), {
    validator: (input) => refuse(wrongActor(input)),
  });
  setHandler(
    abortUpdate,
    ({ actor }) => (now().aborted_by === null ? change({ aborted_by: actor }) : now()),
    { validator: (input) => refuse(wrongActor(input) ?? wrongReason(input)) },
  );
  setHandler(setConcurrencyUpdate, ({ n }) => change({ concurrency: n }), {
    validator: (input) => refuse(wrongActor(input) ?? wrongConcurrency(input, concurrencyMax)),
  });
}

/** See `Operator.interruptible`. */
async function interruptible<T>(state: State, work: () => Promise<T>): Promise<T | 'interrupted'> {
  if (state.now().paused_by !== null || state.isAborted()) return 'interrupted';
  const around = CancellationScope.current();
  const scope = new CancellationScope({ cancellable: true });
  state.scopes.add(scope);
  try {
    return await scope.run(work);
  } catch (error) {
    // Not when the whole workflow is cancelled: that goes all the way up. And the run may be resumed
    // already: what counts is who cancelled, not how things stand now.
    const ours = scope.consideredCancelled && !around.consideredCancelled;
    if (ours && isCancellation(error)) return 'interrupted';
    throw error;
  } finally {
    state.scopes.delete(scope);
  }
}

/** Registers the handlers and shows the workflow to operators. Call it once, first of all. */
export function useOperator(options: OperatorOptions): Operator {
  const state = createState(options);
  const { now, change, isAborted } = state;
  setHandlers(state, options.concurrencyMax);

  async function checkpoint(): Promise<Go> {
    if (now().paused_by !== null && !isAborted())
      await condition(() => now().paused_by === null || isAborted());
    return isAborted() ? 'aborted' : 'go';
  }

  return {
    progress: now,
    concurrency: () => now().concurrency,
    isAborted,
    phase: (name) => void change({ phase: name }),
    count: (counts) => void change(counts),
    pause: (reason) => void change({ paused_by: PAUSED_BY_ITSELF, pause_reason: reason }),
    checkpoint,
    async wait(ms, summary) {
      if (ms > 0 && !isAborted()) await condition(isAborted, ms, { summary });
      return checkpoint();
    },
    interruptible: (work) => interruptible(state, work),
    settled: () => condition(allHandlersFinished),
    carry: now,
  };
}
