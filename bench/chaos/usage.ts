/** Usage as the hosts' journals have it, against what was seen of their processes. Pure. */
import { foldUsage, usageFactOf, type UsageInterval } from '../../model/cold/usage.ts';
import type { AgentEvent } from '../../model/wire.ts';
import type { Occupant } from '../../dev/occupants.ts';
import { overlapMs, type Span } from './intervals.ts';

/** An incarnation as the watcher saw it, by the wall clock of this machine. */
export interface Seen extends Span {
  /** `host-1`. */
  readonly host: string;
  readonly directory: string;
  readonly epoch: number;
}

/** `<run folder>-<host>/<directory>.<epoch>/log`: dev/home.ts and host/incarnation.ts. */
const LOG = /-(\d+)\/([a-z2-7]+)\.(\d+)\/log$/;

export interface Sightings {
  readonly look: (occupants: readonly Occupant[], atMs: number) => void;
  readonly seen: () => readonly Seen[];
}

export function createSightings(): Sightings {
  const seen = new Map<string, Seen>();
  return {
    look(occupants, atMs) {
      for (const { incarnation } of occupants) {
        const before = seen.get(incarnation);
        const [, host, directory = '', epoch] = LOG.exec(incarnation) ?? [];
        if (before !== undefined) seen.set(incarnation, { ...before, toMs: atMs });
        else if (host !== undefined)
          seen.set(incarnation, {
            ...{ host: `host-${host}`, directory, epoch: Number(epoch) },
            ...{ fromMs: atMs, toMs: atMs },
          });
      }
    },
    seen: () => [...seen.values()],
  };
}

/** A start is noted once Postgres is ready, which recovery on a busy machine makes late. */
const START_TOLERANCE_MS = 5_000;
/** An end is noted once all processes are gone, their memory given back and the lock free. */
const END_TOLERANCE_MS = 2_000;
/** Nothing is noted before what it is about: a look of the watcher, and its own delay. */
const EARLY_TOLERANCE_MS = 1_000;

export interface Difference {
  readonly what: string;
  /** Beyond what is tolerated at that edge. */
  readonly ms: number;
}

export interface Compared {
  readonly edges: number;
  readonly differences: readonly Difference[];
  /** The largest that was seen at any edge, tolerated or not, in milliseconds. */
  readonly largest: number;
  /** Databases that were run under a wrong clock, and are not compared. */
  readonly unjudged: number;
}

export interface Journals {
  readonly events: readonly AgentEvent[];
  readonly seen: readonly Seen[];
  /** When an agent could note nothing. */
  readonly away: (host: string) => readonly Span[];
  /** When its clock was wrong: what it noted then says nothing of any end of that database's runs. */
  readonly wrong: (host: string) => readonly Span[];
}

function intervalsOf(events: readonly AgentEvent[]): readonly UsageInterval[] {
  const facts = events.flatMap((event) => {
    const { kind, epoch, size, database } = event;
    const at_ms = Date.parse(event.at);
    return (
      usageFactOf({ kind, at_ms, database_id: database ?? null, tenant: null, epoch, size }) ?? []
    );
  });
  return foldUsage([], facts);
}

interface Edge {
  readonly what: string;
  readonly saidMs: number;
  readonly sawMs: number;
  readonly lateMs: number;
  readonly earlyMs: number;
  readonly away: readonly Span[];
}

function beyond({ saidMs, sawMs, lateMs, earlyMs, away }: Edge): number {
  if (saidMs < sawMs) return Math.max(0, sawMs - saidMs - earlyMs);
  const excused = overlapMs({ fromMs: sawMs, toMs: saidMs }, away);
  return Math.max(0, saidMs - sawMs - lateMs - excused);
}

function edgesOf(
  interval: UsageInterval,
  run: Seen,
  isBlank: boolean,
  away: readonly Span[],
): Edge[] {
  const { database_id, epoch, started_ms, ended_ms } = interval;
  const name = `${database_id} epoch ${epoch} on ${run.host}`;
  const edges: Edge[] = [];
  // A warm slot ran before it was anybody's.
  const lateMs = isBlank ? Infinity : START_TOLERANCE_MS;
  if (started_ms !== null)
    edges.push({
      ...{ what: `start of ${name}`, saidMs: started_ms, sawMs: run.fromMs },
      ...{ lateMs, earlyMs: EARLY_TOLERANCE_MS, away },
    });
  if (ended_ms !== null)
    edges.push({
      ...{ what: `end of ${name}`, saidMs: ended_ms, sawMs: run.toMs },
      ...{ lateMs: END_TOLERANCE_MS, earlyMs: EARLY_TOLERANCE_MS, away },
    });
  return edges;
}

const touches = (run: Span, spans: readonly Span[]): boolean =>
  spans.some(({ fromMs, toMs }) => run.fromMs <= toMs && run.toMs >= fromMs);

/** Compares every interval's two ends, and finds what only one of the two knows of. */
export function compareUsage({ events, seen, away, wrong }: Journals): Compared {
  const directoryOf = new Map<string, string>();
  const blank = new Set<string>();
  for (const { database, directory, kind, epoch } of events) {
    if (database !== undefined) directoryOf.set(database, directory);
    if (kind === 'warmed') blank.add(`${directory}.${epoch}`);
  }
  const runs = new Map(seen.map((run) => [`${run.directory}.${run.epoch}`, run]));
  const unjudged = new Set(
    seen.filter((run) => touches(run, wrong(run.host))).map(({ directory }) => directory),
  );
  const differences: Difference[] = [];
  const edges: Edge[] = [];
  for (const interval of intervalsOf(events)) {
    const directory = directoryOf.get(interval.database_id) ?? '';
    if (unjudged.has(directory)) continue;
    const key = `${directory}.${interval.epoch}`;
    const run = runs.get(key);
    const { started_ms, ended_ms, database_id, epoch } = interval;
    const lasted = started_ms === null || ended_ms === null ? 0 : ended_ms - started_ms;
    if (run !== undefined) edges.push(...edgesOf(interval, run, blank.has(key), away(run.host)));
    else if (lasted > EARLY_TOLERANCE_MS)
      differences.push({ what: `${database_id} epoch ${epoch} was never seen`, ms: lasted });
  }
  const known = new Set([...directoryOf.values()].filter((one) => !unjudged.has(one)));
  const noted = new Set(events.map(({ directory, epoch }) => `${directory}.${epoch}`));
  for (const [key, run] of runs) {
    const ms = run.toMs - run.fromMs - EARLY_TOLERANCE_MS - overlapMs(run, away(run.host));
    if (noted.has(key) || !known.has(run.directory) || ms <= 0) continue;
    differences.push({ what: `${key} on ${run.host} is in no journal`, ms });
  }
  for (const edge of edges) {
    const ms = beyond(edge);
    if (ms > 0) differences.push({ what: edge.what, ms });
  }
  const largest = edges
    .filter(({ lateMs }) => lateMs !== Infinity)
    .reduce((most, { saidMs, sawMs }) => Math.max(most, Math.abs(saidMs - sawMs)), 0);
  return { edges: edges.length, differences, largest, unjudged: unjudged.size };
}
