/**
 * Who wakes a database how often, and whether for anything. A source that comes back at every suspend
 * and never asks anything (a pool that only keeps its connections, a check that only connects) is
 * backed off: its next wakes are refused for a while, doubling, and it is named to the owner.
 * Pure: instants come in as milliseconds.
 */
import type { AwakeAnswer, Cause } from './wire.ts';

export interface WakeSource {
  readonly cause: Cause;
  /** Instants of its wakes within the hour, oldest first. */
  readonly times: readonly number[];
  /** Runs in a row that it woke, and in which nobody executed a statement. */
  readonly idleRuns: number;
  /** Its wakes are refused until then; 0 = they are not. */
  readonly backedOffUntil: number;
}

export interface Wakes {
  readonly sources: readonly WakeSource[];
  /** What the run of now was woken for. */
  readonly current: { readonly cause: Cause; readonly at: number } | undefined;
  /** `active_time` of all databases inside when the last run ended. */
  readonly activeMs: number | undefined;
}

export const NO_WAKES: Wakes = { sources: [], current: undefined, activeMs: undefined };

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Sources remembered of a database; the one that woke it longest ago is forgotten first. */
const SOURCES_MAX = 20;
/** Instants remembered of a source: as many may be counted an hour. */
const TIMES_MAX = 240;
/** Runs for nothing, in a row, after which a source is backed off. */
export const IDLE_RUNS_MAX = 3;

const isSameCause = (a: Cause, b: Cause): boolean =>
  a.role === b.role && a.application_name === b.application_name && a.source === b.source;

const lastOf = ({ times }: WakeSource): number => times.at(-1) ?? 0;

/** A start for this cause. */
export function woken(wakes: Wakes, cause: Cause, now: number): Wakes {
  const known = wakes.sources.find((one) => isSameCause(one.cause, cause));
  const recent = (known?.times ?? []).filter((at) => now - at < HOUR_MS).slice(1 - TIMES_MAX);
  const source: WakeSource = {
    cause,
    times: [...recent, now],
    idleRuns: known?.idleRuns ?? 0,
    backedOffUntil: known?.backedOffUntil ?? 0,
  };
  const others = wakes.sources.filter((one) => one !== known);
  const kept = others.toSorted((a, b) => lastOf(b) - lastOf(a)).slice(0, SOURCES_MAX - 1);
  return { ...wakes, sources: [source, ...kept], current: { cause, at: now } };
}

/** 1 min doubling to 1 h, from the last run for nothing that is let through. */
export const backOffMs = (idleRuns: number): number =>
  idleRuns < IDLE_RUNS_MAX ? 0 : Math.min(MINUTE_MS * 2 ** (idleRuns - IDLE_RUNS_MAX), HOUR_MS);

/**
 * The run of now has ended.
 * @param activeMs `active_time` at its end; undefined = nobody looked, and nothing is concluded.
 */
export function ended(wakes: Wakes, activeMs: number | undefined, now: number): Wakes {
  const { current, activeMs: before } = wakes;
  const rest = { current: undefined, activeMs };
  if (current === undefined || activeMs === undefined || before === undefined)
    return { ...wakes, ...rest };
  // Less than before: a crash has reset it, and what was done is not known.
  // Sums of floating-point numbers: a statement of less than a microsecond there is not.
  const idle = Math.abs(activeMs - before) < 0.001;
  const sources = wakes.sources.map((source) => {
    if (!isSameCause(source.cause, current.cause)) return source;
    const idleRuns = idle ? source.idleRuns + 1 : 0;
    const pauseMs = backOffMs(idleRuns);
    return { ...source, idleRuns, backedOffUntil: pauseMs === 0 ? 0 : now + pauseMs };
  });
  return { sources, ...rest };
}

/** @returns until when a start for this cause is refused; undefined = it is not. */
export function backedOff(wakes: Wakes, cause: Cause, now: number): number | undefined {
  const source = wakes.sources.find((one) => isSameCause(one.cause, cause));
  return source !== undefined && source.backedOffUntil > now ? source.backedOffUntil : undefined;
}

/** For people: the sources of the last hour and those that are backed off. */
export function countWakes(wakes: Wakes, now: number): AwakeAnswer['wakes'] {
  const counts = wakes.sources.map((source) => ({
    cause: source.cause,
    last_hour: source.times.filter((at) => now - at < HOUR_MS).length,
    last_at: new Date(lastOf(source)).toISOString(),
    idle_runs: source.idleRuns,
    backed_off_until:
      source.backedOffUntil > now ? new Date(source.backedOffUntil).toISOString() : null,
  }));
  return counts.filter((one) => one.last_hour > 0 || one.backed_off_until !== null);
}
