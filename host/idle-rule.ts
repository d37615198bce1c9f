/**
 * When a database is idle. Pure: the clock and what was seen come in as arguments.
 *
 * The first gate needs no SQL: connections by their sockets. A session that comes or goes is work,
 * and restarts the idle time. Only when that is over does anyone ask Postgres itself, which knows
 * of the sessions that no look at the sockets saw, of what sits in a transaction, and of the rest.
 */
import type { Identity } from '../model/identity.ts';
import type { Look } from '../db/tenant/look.ts';

/** What of the identity document decides. */
export type IdlePolicy = Pick<Identity, 'idle_ms' | 'idle_sessions' | 'ignore'>;

/** What is remembered of an incarnation between two looks. */
export interface IdleWatch {
  /** Monotonic ms of the last sign of work. */
  readonly activeAt: number;
  /** Connections at the last tick; undefined before the first. */
  readonly connections: number | undefined;
  /** Whether anyone has been connected yet. */
  readonly visited: boolean;
  /** Statistics of the last look, while nothing has been seen since. */
  readonly baseline: Pick<Look, 'active_ms' | 'sessions'> | undefined;
  /** No look before this monotonic ms. */
  readonly notBefore: number;
}

/** A woken database gets so long for its first session, however short its idle time. */
export const FIRST_SESSION_MS = 5_000;
/**
 * A session that did something within this time is at work, however short the idle time: it may have
 * just got in, and its first statement is on its way.
 */
const SETTLING_MS = 1_000;
/** Autovacuum delays a suspend: how long until the next look. */
const DELAY_MS = 5_000;

export const newWatch = (now: number): IdleWatch => ({
  activeAt: now,
  connections: undefined,
  visited: false,
  baseline: undefined,
  notBefore: 0,
});

/** What a tick sees at the sockets. */
export function seeConnections(
  watch: IdleWatch,
  policy: IdlePolicy,
  connections: number,
  now: number,
): IdleWatch {
  const visited = watch.visited || connections > 0;
  const unchanged = watch.connections === connections;
  // With an ignore list nobody knows by a socket whose it is: Postgres is asked when it is due.
  const blind = policy.ignore.length > 0 && watch.visited;
  const holds = connections > 0 && policy.idle_sessions === 'keep';
  if (blind || (unchanged && !holds)) return { ...watch, connections, visited };
  const first = watch.connections === undefined && connections === 0;
  return {
    ...watch,
    connections,
    visited,
    activeAt: first ? watch.activeAt : now,
    baseline: undefined,
  };
}

/**
 * What is due now: `suspend` = the idle time is over by what is known; `baseline` = half of it is,
 * and the statistics of now will tell what came and went unseen in the other half.
 */
export function dueNow(
  watch: IdleWatch,
  policy: IdlePolicy,
  now: number,
): 'nothing' | 'baseline' | 'suspend' {
  if (now < watch.notBefore) return 'nothing';
  // Zero means "with its last session", so that sessions are not closed by it.
  if (policy.idle_ms === 0 && (watch.connections ?? 0) > 0) return 'nothing';
  const idleMs = watch.visited ? policy.idle_ms : Math.max(policy.idle_ms, FIRST_SESSION_MS);
  const quiet = now - watch.activeAt;
  if (quiet >= idleMs) return 'suspend';
  const wantsBaseline = watch.baseline === undefined && watch.connections === 0;
  return wantsBaseline && quiet >= idleMs / 2 ? 'baseline' : 'nothing';
}

export type Verdict = 'active' | 'delay' | 'idle';

/**
 * Judges a look.
 * @param connections at the sockets while the look's own connection was open, less that one.
 * @param baseline statistics to compare with; undefined = what came and went does not matter.
 */
export function judge(
  look: Look,
  policy: IdlePolicy,
  connections: number,
  baseline: IdleWatch['baseline'],
): Verdict {
  if (look.working > 0 || look.prepared > 0 || look.walsenders > 0) return 'active';
  // More sockets than sessions: somebody is just getting in.
  if (connections > look.clients) return 'active';
  const sessions = look.clients - look.ignored;
  if (sessions > 0 && policy.idle_sessions === 'keep') return 'active';
  const settled = Math.max(policy.idle_ms, SETTLING_MS);
  if (look.quiet_ms !== null && look.quiet_ms < settled) return 'active';
  const grown =
    baseline !== undefined &&
    (look.sessions > baseline.sessions || look.active_ms > baseline.active_ms);
  // Of sessions that are gone nobody knows whether they were to be ignored.
  if (grown && policy.ignore.length === 0) return 'active';
  return look.autovacuum > 0 ? 'delay' : 'idle';
}

/** What is remembered after a look that did not end in a suspend. */
export function afterLook(watch: IdleWatch, look: Look, verdict: Verdict, now: number): IdleWatch {
  const { active_ms, sessions } = look;
  const baseline = { active_ms, sessions };
  if (verdict === 'delay') return { ...watch, baseline, notBefore: now + DELAY_MS };
  if (verdict === 'idle') return { ...watch, baseline };
  const resting = look.working === 0 && look.prepared === 0 && look.walsenders === 0;
  const quiet = resting && look.quiet_ms !== null ? look.quiet_ms : 0;
  return { ...watch, baseline, activeAt: Math.max(watch.activeAt, now - quiet) };
}
