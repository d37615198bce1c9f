/**
 * What an operator says to a running workflow, and what it answers: the same four Updates and one
 * query for every workflow (workflows/operator.ts).
 */

/** Update `pause`. */
export interface PauseInput {
  readonly actor: string;
  readonly reason: string;
}

/** Update `resume`. */
export interface ResumeInput {
  readonly actor: string;
}

/** Update `abort`: what is in flight ends in order, and nothing new begins. */
export interface AbortInput {
  readonly actor: string;
  readonly reason: string;
}

/** Update `setConcurrency`: how many databases are worked on at once, from the next page on. */
export interface SetConcurrencyInput {
  readonly actor: string;
  readonly n: number;
}

/** Query `progress`, and what each of the four Updates answers. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  readonly concurrency: number;
  /** Who paused it (the workflow itself says `workflow`), or null. */
  readonly paused_by: string | null;
  readonly pause_reason: string | null;
  readonly aborted_by: string | null;
}

/** What a run hands to the next one when it continues as new. */
export type OperatorState = Progress;

/** The pause of a workflow that paused itself, for example because too much failed. */
export const PAUSED_BY_ITSELF = 'workflow';

const ACTOR_CHARS_MAX = 64;
const REASON_CHARS_MAX = 200;

const isText = (value: unknown, max: number): boolean =>
  typeof value === 'string' && value.trim() !== '' && value.length <= max;

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (input: unknown): Fields =>
  typeof input === 'object' && input !== null ? (input as Fields) : {};

/** @returns what is wrong with the input of an Update, or undefined. */
export function wrongActor(input: unknown): string | undefined {
  return isText(fieldsOf(input)['actor'], ACTOR_CHARS_MAX)
    ? undefined
    : `actor must say who you are, in at most ${ACTOR_CHARS_MAX} characters`;
}

export function wrongReason(input: unknown): string | undefined {
  return isText(fieldsOf(input)['reason'], REASON_CHARS_MAX)
    ? undefined
    : `reason must say why, in at most ${REASON_CHARS_MAX} characters`;
}

export function wrongConcurrency(input: unknown, max: number): string | undefined {
  const n = fieldsOf(input)['n'];
  return Number.isSafeInteger(n) && Number(n) >= 1 && Number(n) <= max
    ? undefined
    : `n must be a whole number from 1 to ${max}`;
}
