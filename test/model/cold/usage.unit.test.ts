import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  foldUsage,
  usageFactOf,
  usageNeeded,
  type UsageFact,
  type UsageInterval,
} from '../../../model/cold/usage.ts';

const fact = (
  kind: UsageFact['kind'],
  epoch: number,
  at_ms: number,
  more: Partial<UsageFact> = {},
): UsageFact => ({
  kind,
  epoch,
  at_ms,
  database_id: 'db-a',
  tenant: 'acme',
  size: 'small',
  ...more,
});

const timesOf = (intervals: readonly UsageInterval[]) =>
  intervals.map((i) => [i.epoch, i.started_ms, i.ended_ms, i.inferred]);

describe('usage intervals from events', () => {
  test('a start and its end are an interval', () => {
    expect(foldUsage([], [fact('started', 1, 10), fact('stopped', 1, 25)])).toEqual([
      {
        database_id: 'db-a',
        epoch: 1,
        tenant: 'acme',
        size: 'small',
        started_ms: 10,
        stopped_ms: 25,
        next_ms: null,
        ended_ms: 25,
        inferred: false,
      },
    ]);
  });

  test('a newer start ends an older interval whose end was lost', () => {
    const facts = [fact('started', 1, 10), fact('started', 2, 50)];
    expect(timesOf(foldUsage([], facts))).toEqual([
      [1, 10, 50, true],
      [2, 50, null, false],
    ]);
  });

  test('the lost end, found later, takes the place of the inferred one', () => {
    const known = foldUsage([], [fact('started', 1, 10), fact('started', 2, 50)]);
    expect(timesOf(foldUsage(known, [fact('stopped', 1, 30)]))).toEqual([[1, 10, 30, false]]);
  });

  test('an end that claims to be later than the next start is not believed', () => {
    const facts = [fact('started', 1, 10), fact('started', 2, 50), fact('stopped', 1, 60)];
    expect(timesOf(foldUsage([], facts))[0]).toEqual([1, 10, 50, true]);
  });

  test('an end without a start is no usage, until the start is heard of', () => {
    const known = foldUsage([], [fact('stopped', 1, 30)]);
    expect(timesOf(known)).toEqual([[1, null, null, false]]);
    expect(timesOf(foldUsage(known, [fact('started', 1, 10)]))).toEqual([[1, 10, 30, false]]);
  });

  test('a next start before the own one, by clocks of two hosts, makes it last no time', () => {
    const facts = [fact('started', 1, 40), fact('started', 2, 30)];
    expect(timesOf(foldUsage([], facts))).toEqual([
      [1, 40, 40, true],
      [2, 30, null, false],
    ]);
  });

  test('what changes nothing is not among the changed', () => {
    const known = foldUsage([], [fact('started', 1, 10)]);
    expect(foldUsage(known, [fact('started', 1, 10), fact('started', 1, 12)])).toEqual([]);
    expect(foldUsage(known, [])).toEqual([]);
  });

  test('a tenant that becomes known is taken, and databases are kept apart', () => {
    const known = foldUsage([], [fact('started', 1, 10, { tenant: null })]);
    const facts = [fact('stopped', 1, 20), fact('started', 3, 5, { database_id: 'db-0' })];
    expect(foldUsage(known, facts).map((i) => [i.database_id, i.tenant, i.ended_ms])).toEqual([
      ['db-0', 'acme', null],
      ['db-a', 'acme', 20],
    ]);
  });

  test.each([
    ['started', 'started'],
    ['suspended', 'stopped'],
    ['crashed', 'stopped'],
    ['released', 'stopped'],
    ['warmed', undefined],
    ['constructor', undefined],
  ])('the event %s is the fact %s', (kind, expected) => {
    const event = { kind, at_ms: 1, database_id: 'db-a', tenant: null, epoch: 1, size: 'small' };
    expect(usageFactOf(event)?.kind).toBe(expected);
  });

  test('an event without database, epoch or size is no fact', () => {
    const event = {
      kind: 'started',
      at_ms: 1,
      database_id: 'db-a',
      tenant: null,
      epoch: 1,
      size: 's',
    };
    for (const missing of ['database_id', 'epoch', 'size'])
      expect(usageFactOf({ ...event, [missing]: null })).toBeUndefined();
  });
});

/* The properties: a store that is read as the statement `usage-load` does. */

const arbitraryFact: fc.Arbitrary<UsageFact> = fc.record({
  kind: fc.constantFrom('started', 'stopped'),
  at_ms: fc.integer({ min: 0, max: 60 }),
  database_id: fc.constantFrom('db-a', 'db-b'),
  tenant: fc.constantFrom('acme', null),
  epoch: fc.integer({ min: 1, max: 6 }),
  size: fc.constantFrom('small', 'medium'),
});

type Store = ReadonlyMap<string, UsageInterval>;

function load(store: Store, facts: readonly UsageFact[]): UsageInterval[] {
  return usageNeeded(facts).flatMap((needed) =>
    [...store.values()].filter(
      (row) =>
        row.database_id === needed.database_id &&
        (row.epoch >= needed.epoch ||
          row.next_ms === null ||
          (needed.started_ms !== null && row.next_ms > needed.started_ms)),
    ),
  );
}

const keyOf = (i: UsageInterval): string => `${i.database_id} ${i.epoch}`;

function apply(pages: readonly (readonly UsageFact[])[]): UsageInterval[] {
  const store = new Map<string, UsageInterval>();
  for (const facts of pages)
    for (const row of foldUsage(load(store, facts), facts)) store.set(keyOf(row), row);
  return [...store.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** The same facts with some of them repeated, in another order, in pages. */
const retold = (facts: readonly UsageFact[]) =>
  fc
    .tuple(
      fc.shuffledSubarray([...facts], { minLength: facts.length }),
      fc.subarray([...facts]),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 30, maxLength: 30 }),
    )
    .map(([shuffled, again, lengths]) => {
      const all = [...shuffled, ...again];
      const pages: UsageFact[][] = [];
      for (const length of lengths) if (all.length > 0) pages.push(all.splice(0, length));
      return [...pages, all];
    });

describe('any order, repetition and paging of events', () => {
  test('gives the same intervals', () => {
    const facts = fc.array(arbitraryFact, { maxLength: 25 });
    fc.assert(
      fc.property(
        facts.chain((all) => fc.tuple(fc.constant(all), retold(all))),
        ([all, pages]) => expect(apply(pages)).toEqual(apply([all])),
      ),
      { numRuns: 500 },
    );
  });

  test('gives no two intervals of a database that overlap', () => {
    fc.assert(
      fc.property(fc.array(arbitraryFact, { maxLength: 30 }), (facts) => {
        const rows = apply([facts]).filter((row) => row.started_ms !== null);
        for (const a of rows)
          for (const b of rows) {
            if (a.database_id !== b.database_id || a.epoch >= b.epoch) continue;
            const [started, ended] = [a.started_ms ?? 0, a.ended_ms ?? Infinity];
            expect(ended === started || ended <= (b.started_ms ?? 0)).toBe(true);
          }
      }),
      { numRuns: 500 },
    );
  });

  test('never makes an interval longer than its own events say', () => {
    fc.assert(
      fc.property(fc.array(arbitraryFact, { maxLength: 30 }), (facts) => {
        for (const row of apply([facts])) {
          const own = facts.filter(
            (f) => f.database_id === row.database_id && f.epoch === row.epoch,
          );
          const stops = own.filter((f) => f.kind === 'stopped').map((f) => f.at_ms);
          if (row.started_ms !== null && stops.length > 0)
            expect(row.ended_ms).toBeLessThanOrEqual(Math.max(row.started_ms, Math.min(...stops)));
        }
      }),
      { numRuns: 500 },
    );
  });
});
