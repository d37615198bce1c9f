/**
 * The states of a database and what moves them, as a pure and total table. The statements of
 * `db/hot` carry these moves out; a test drives every cell through the real SQL.
 * Spec with invariants: docs/spec.md.
 */
import type { DatabaseState } from './state.ts';

/**
 * What can happen to a row. All but `start`, `delete`, `undelete` and `deadline` carry an epoch, and a test
 * passes both the current one and an older one.
 */
export const INPUTS = [
  /** A caller wants it awake. */
  'start',
  /** A caller found this epoch's address dead. */
  'start_stale',
  /** The agent answered the attach of this epoch. */
  'started',
  /** The agent refused or failed the attach of this epoch. */
  'start_failed',
  /** A caller wants this epoch to end. */
  'suspend',
  /** The agent ended this epoch. */
  'suspended',
  /** The agent found this epoch busy and kept it. */
  'kept',
  /** A sync that lists this epoch as running. */
  'sync_running',
  /** A sync, newer than the assignment, that does not list it. */
  'sync_absent',
  /** A transition took longer than its deadline. */
  'deadline',
  'delete',
  /** The tombstone was taken back while the data were there. */
  'undelete',
] as const;
export type Input = (typeof INPUTS)[number];

/**
 * What a cell does. `next` is the state afterwards; `epoch` says whether it was raised, or goes back to
 * the one that a host reports.
 * `stay` changes nothing, and the caller is told `answer`.
 */
export type Cell =
  | { readonly next: DatabaseState; readonly epoch: 'kept' | 'raised' | 'reported' }
  | { readonly stay: 'answer' | 'join' | 'no-op' | 'database_deleted' | 'broken' };

const to = (next: DatabaseState): Cell => ({ next, epoch: 'kept' });
const raise = (next: DatabaseState): Cell => ({ next, epoch: 'raised' });
const NOOP: Cell = { stay: 'no-op' };
const JOIN: Cell = { stay: 'join' };
const GONE: Cell = { stay: 'database_deleted' };

/** Input with the row's current epoch. */
export const TRANSITIONS: Readonly<Record<DatabaseState, Readonly<Record<Input, Cell>>>> = {
  suspended: {
    start: raise('starting'),
    start_stale: raise('starting'),
    started: NOOP,
    start_failed: NOOP,
    suspend: NOOP,
    suspended: NOOP,
    kept: NOOP,
    // The deadline gave up on a start that came through after all: the agent is the authority.
    sync_running: to('running'),
    sync_absent: NOOP,
    deadline: NOOP,
    delete: to('deleting'),
    undelete: NOOP,
  },
  starting: {
    start: JOIN,
    start_stale: JOIN,
    started: to('running'),
    start_failed: to('suspended'),
    suspend: NOOP,
    suspended: NOOP,
    kept: NOOP,
    sync_running: to('running'),
    // An assignment that is being made is never cleared by a report.
    sync_absent: NOOP,
    deadline: to('suspended'),
    delete: to('deleting'),
    undelete: NOOP,
  },
  running: {
    start: { stay: 'answer' },
    start_stale: raise('starting'),
    started: NOOP,
    start_failed: NOOP,
    suspend: to('suspending'),
    suspended: to('suspended'),
    kept: NOOP,
    sync_running: NOOP,
    sync_absent: to('suspended'),
    deadline: NOOP,
    delete: to('deleting'),
    undelete: NOOP,
  },
  suspending: {
    // A wake that arrives while suspending is never lost: the agent lets it wait for the stop.
    start: raise('starting'),
    start_stale: raise('starting'),
    started: NOOP,
    start_failed: NOOP,
    suspend: NOOP,
    suspended: to('suspended'),
    kept: to('running'),
    sync_running: NOOP,
    sync_absent: NOOP,
    // Back to running, and the next sync says what is true.
    deadline: to('running'),
    delete: to('deleting'),
    undelete: NOOP,
  },
  broken: {
    // Of the connects one per back-off interval; the others are told why.
    start: { stay: 'broken' },
    start_stale: { stay: 'broken' },
    started: NOOP,
    start_failed: NOOP,
    suspend: NOOP,
    suspended: NOOP,
    kept: NOOP,
    sync_running: to('running'),
    sync_absent: NOOP,
    deadline: NOOP,
    delete: to('deleting'),
    undelete: NOOP,
  },
  deleting: {
    start: GONE,
    start_stale: GONE,
    started: NOOP,
    start_failed: NOOP,
    suspend: NOOP,
    suspended: NOOP,
    kept: NOOP,
    sync_running: NOOP,
    sync_absent: NOOP,
    deadline: NOOP,
    delete: NOOP,
    undelete: to('suspended'),
  },
};

/** What carries no epoch, and so has no age. */
export const UNDATED: readonly Input[] = ['start', 'delete', 'undelete', 'deadline'];

/** A later epoch was raised and never minted: the newest word of the host that ran it last is so. */
const AS_BEFORE: Cell = { next: 'running', epoch: 'reported' };

/**
 * With an epoch older than the row's: a late message of an earlier incarnation changes nothing, but
 * for the newest report of the host that ran it last.
 */
export function transition(state: DatabaseState, input: Input, current: boolean): Cell {
  const cell = TRANSITIONS[state][input];
  if (current || UNDATED.includes(input)) return cell;
  if (input === 'start_stale') return TRANSITIONS[state].start;
  if (input === 'sync_running' && state === 'suspended') return AS_BEFORE;
  return NOOP;
}
