import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  IDLE_RUNS_MAX,
  NO_WAKES,
  backOffMs,
  backedOff,
  countWakes,
  ended,
  woken,
  type Wakes,
} from '../../model/wakes.ts';

const MINUTE = 60_000;
const POOL = { role: 'owner', application_name: 'pool', source: '10.0.0.7' };
const PEOPLE = { role: 'owner', application_name: 'psql', source: '10.0.0.7' };

/** Runs for a cause, each a minute after the other, and each with so much `active_time` at its end. */
const runs = (from: Wakes, cause: typeof POOL, actives: readonly (number | undefined)[]): Wakes =>
  actives.reduce<Wakes>(
    (wakes, active, i) => ended(woken(wakes, cause, i * MINUTE), active, i * MINUTE + 1),
    from,
  );

describe('a source that wakes a database for nothing', () => {
  test('is backed off after three such runs in a row, by name, and no other is', () => {
    // Of the first run nobody knows what was there before it.
    const two = runs(NO_WAKES, POOL, [5, 5, 5]);
    expect(backedOff(two, POOL, 3 * MINUTE)).toBeUndefined();
    const three = runs(NO_WAKES, POOL, [5, 5, 5, 5]);
    expect(backedOff(three, POOL, 3 * MINUTE + 2)).toBe(4 * MINUTE + 1);
    expect(backedOff(three, POOL, 4 * MINUTE + 1)).toBeUndefined();
    expect(backedOff(three, PEOPLE, 3 * MINUTE + 2)).toBeUndefined();
  });

  test('is let through at once when somebody has executed something in its run', () => {
    const after = runs(NO_WAKES, POOL, [5, 5, 5, 5, 9]);
    expect(backedOff(after, POOL, 4 * MINUTE + 2)).toBeUndefined();
    expect(countWakes(after, 5 * MINUTE)[0]).toMatchObject({ idle_runs: 0 });
  });

  test.each([
    ['nobody looked', [5, 5, undefined, 5, 5]],
    ['a crash has reset the statistics', [5, 5, 5, 0, 0]],
  ])('is not blamed for a run of which %s', (_, actives) => {
    expect(backedOff(runs(NO_WAKES, POOL, actives), POOL, 4 * MINUTE + 2)).toBeUndefined();
  });

  test('waits a minute, doubling to an hour', () => {
    const steps = [0, 1, 2, 3, 4, 5, 8, 9, 100].map((n) => backOffMs(n) / MINUTE);
    expect(steps).toEqual([0, 0, 0, 1, 2, 4, 32, 60, 60]);
    expect(IDLE_RUNS_MAX).toBe(3);
  });

  test('is not blamed for the run of another', () => {
    let wakes = runs(NO_WAKES, POOL, [5, 5, 5]);
    wakes = ended(woken(wakes, PEOPLE, 3 * MINUTE), 5, 3 * MINUTE + 1);
    expect(backedOff(wakes, POOL, 3 * MINUTE + 2)).toBeUndefined();
    expect(countWakes(wakes, 3 * MINUTE + 2).map((one) => one.idle_runs)).toEqual([1, 2]);
  });
});

describe('wakes', () => {
  test('are counted by source within the hour', () => {
    const wakes = [0, 10, 20, 65].reduce<Wakes>(
      (all, at) => woken(all, POOL, at * MINUTE),
      woken(NO_WAKES, PEOPLE, 1),
    );
    expect(countWakes(wakes, 65 * MINUTE)).toEqual([
      {
        cause: POOL,
        last_hour: 3,
        last_at: new Date(65 * MINUTE).toISOString(),
        idle_runs: 0,
        backed_off_until: null,
      },
    ]);
  });

  test('name a source for as long as it is backed off, also after the hour', () => {
    let wakes = runs(
      NO_WAKES,
      POOL,
      Array.from({ length: 12 }, () => 5),
    );
    wakes = { ...wakes, sources: wakes.sources.map((one) => ({ ...one, times: [0] })) };
    expect(countWakes(wakes, 61 * MINUTE)).toMatchObject([
      { last_hour: 0, backed_off_until: new Date(71 * MINUTE + 1).toISOString() },
    ]);
    expect(
      countWakes(
        { ...wakes, sources: [{ cause: POOL, times: [], idleRuns: 0, backedOffUntil: 0 }] },
        1,
      ),
    ).toEqual([]);
  });

  test('of whatever many sources and times stay bounded', () => {
    const source = fc.integer({ min: 0, max: 60 });
    fc.assert(
      fc.property(fc.array(source, { maxLength: 400 }), (sources) => {
        const wakes = sources.reduce<Wakes>(
          (all, n, at) => ended(woken(all, { source: `${n}` }, at), 5, at),
          NO_WAKES,
        );
        expect(wakes.sources.length).toBeLessThanOrEqual(20);
        for (const { times } of wakes.sources) expect(times.length).toBeLessThanOrEqual(240);
      }),
    );
  });
});
