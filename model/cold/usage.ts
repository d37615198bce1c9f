/**
 * Usage intervals from events. Everything that is kept of an interval is the earliest of what was
 * said, so that events may come in any order, in any parts and more than once: the result is the
 * same. Times are milliseconds since the epoch.
 */

/** A run of a database: the row of `usage_interval`. */
export interface UsageInterval {
  readonly database_id: string;
  readonly epoch: number;
  /** Null: the event came before its database was known. */
  readonly tenant: string | null;
  readonly size: string;
  /** Null: only its end has been heard of. */
  readonly started_ms: number | null;
  /** What its own end says. */
  readonly stopped_ms: number | null;
  /** The earliest start of a later epoch. */
  readonly next_ms: number | null;
  /** Null: it runs, or its start is not known. */
  readonly ended_ms: number | null;
  /** Its end is the next epoch's start, since its own was lost or came too late to be true. */
  readonly inferred: boolean;
}

/** What the fold reads of an event. */
export interface UsageEvent {
  readonly kind: string;
  readonly at_ms: number;
  readonly database_id: string | null;
  readonly tenant: string | null;
  readonly epoch: number | null;
  readonly size: string | null;
}

export interface UsageFact {
  readonly kind: 'started' | 'stopped';
  readonly at_ms: number;
  readonly database_id: string;
  readonly tenant: string | null;
  readonly epoch: number;
  readonly size: string;
}

/** `released`: its host found later that it was over; that is the latest it can have lasted. */
const KINDS: Readonly<Record<string, UsageFact['kind'] | undefined>> = {
  started: 'started',
  suspended: 'stopped',
  crashed: 'stopped',
  released: 'stopped',
};

/** @returns undefined for events that say nothing of a database's run, such as those of warm slots. */
export function usageFactOf(event: UsageEvent): UsageFact | undefined {
  const kind = Object.hasOwn(KINDS, event.kind) ? KINDS[event.kind] : undefined;
  const { database_id, epoch, size } = event;
  if (kind === undefined || database_id === null || epoch === null || size === null)
    return undefined;
  return { kind, at_ms: event.at_ms, database_id, tenant: event.tenant, epoch, size };
}

/** The lesser of two, where null is unknown. */
function least<T extends number | string>(a: T | null, b: T | null): T | null {
  if (a === null || b === null) return a ?? b;
  return b < a ? b : a;
}

/** Sets what follows from the three times. A start after the end (clocks of two hosts) lasts 0 ms. */
function withEnd(interval: UsageInterval): UsageInterval {
  const { started_ms, stopped_ms, next_ms } = interval;
  const end = least(stopped_ms, next_ms);
  if (started_ms === null || end === null) return { ...interval, ended_ms: null, inferred: false };
  return {
    ...interval,
    ended_ms: Math.max(started_ms, end),
    inferred: stopped_ms === null || end < stopped_ms,
  };
}

const emptyOf = (fact: UsageFact): UsageInterval => ({
  database_id: fact.database_id,
  epoch: fact.epoch,
  tenant: fact.tenant,
  size: fact.size,
  started_ms: null,
  stopped_ms: null,
  next_ms: null,
  ended_ms: null,
  inferred: false,
});

function withFact(interval: UsageInterval, fact: UsageFact): UsageInterval {
  const at = { started: interval.started_ms, stopped: interval.stopped_ms };
  at[fact.kind] = least(at[fact.kind], fact.at_ms);
  return {
    ...interval,
    tenant: least(interval.tenant, fact.tenant),
    size: fact.size < interval.size ? fact.size : interval.size,
    started_ms: at.started,
    stopped_ms: at.stopped,
  };
}

/** Every interval can not have lasted longer than until the earliest start of a later epoch. */
function bounded(intervals: readonly UsageInterval[]): UsageInterval[] {
  let next: number | null = null;
  return [...intervals]
    .sort((a, b) => b.epoch - a.epoch)
    .map((interval) => {
      const bound = withEnd({ ...interval, next_ms: least(interval.next_ms, next) });
      next = least(next, interval.started_ms);
      return bound;
    });
}

const isSame = (a: UsageInterval, b: UsageInterval | undefined): boolean =>
  b !== undefined &&
  a.tenant === b.tenant &&
  a.size === b.size &&
  a.started_ms === b.started_ms &&
  a.stopped_ms === b.stopped_ms &&
  a.next_ms === b.next_ms;

function foldOne(known: readonly UsageInterval[], facts: readonly UsageFact[]): UsageInterval[] {
  const before = new Map(known.map((interval) => [interval.epoch, interval]));
  const after = new Map(before);
  for (const fact of facts)
    after.set(fact.epoch, withFact(after.get(fact.epoch) ?? emptyOf(fact), fact));
  return bounded([...after.values()]).filter(
    (interval) => !isSame(interval, before.get(interval.epoch)),
  );
}

/**
 * Takes facts into what is known, for any number of databases.
 * @param known of each database at least the intervals of `usageNeeded`.
 * @returns the intervals that are new or changed, by database and epoch.
 */
export function foldUsage(
  known: readonly UsageInterval[],
  facts: readonly UsageFact[],
): UsageInterval[] {
  const ids = [...new Set(facts.map((fact) => fact.database_id))].sort();
  return ids.flatMap((id) =>
    foldOne(
      known.filter((interval) => interval.database_id === id),
      facts.filter((fact) => fact.database_id === id),
    ).sort((a, b) => a.epoch - b.epoch),
  );
}

/** Which stored intervals of a database these facts can touch. */
export interface UsageNeeded {
  readonly database_id: string;
  /** All of this epoch and later ones; */
  readonly epoch: number;
  /** and earlier ones that no start up to here bounds. Null: none of the facts is a start. */
  readonly started_ms: number | null;
}

export function usageNeeded(facts: readonly UsageFact[]): UsageNeeded[] {
  const needed = new Map<string, UsageNeeded>();
  for (const { database_id, epoch, kind, at_ms } of facts) {
    const before = needed.get(database_id);
    needed.set(database_id, {
      database_id,
      epoch: Math.min(before?.epoch ?? epoch, epoch),
      started_ms: least(before?.started_ms ?? null, kind === 'started' ? at_ms : null),
    });
  }
  return [...needed.values()];
}
