import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createBillingActivities } from '../../../activities/billing.ts';
import { rollupBegin, rollupMissing } from '../../../db/cold/rollup.ts';
import { HOUR_MS, type Period } from '../../../model/cold/billing.ts';
import { ask, givenLive } from '../../support/cold.ts';
import { createLedger, environment, perform, type Ledger } from '../../support/ledger.ts';

const T = Date.UTC(2026, 9, 1);
const MINUTE = 60_000;

let stage: Ledger;
beforeAll(async () => {
  stage = await createLedger();
});
afterAll(() => stage.end());
beforeEach(() => stage.clear());

const ledger = () =>
  ask<{ database_id: string; epoch: number; hour: number; ms: number }>(
    stage.cold,
    `select database_id, epoch, (hour_ms - $1) / 3600000 as hour, ms from ledger_line order by 1, 2, 3`,
    [T],
  );
const hours = (from: number, to: number): Period => ({
  from_ms: T + from * HOUR_MS,
  to_ms: T + to * HOUR_MS,
});

describe('a rollup', () => {
  test('cuts a run at the hours', async () => {
    await stage.ran('db-a', 1, T + 50 * MINUTE, T + 130 * MINUTE);
    expect(await stage.roll(hours(0, 3))).toBe(3);
    const line = { database_id: 'db-a', epoch: 1 };
    expect(await ledger()).toEqual([
      { ...line, hour: 0, ms: 10 * MINUTE },
      { ...line, hour: 1, ms: 60 * MINUTE },
      { ...line, hour: 2, ms: 10 * MINUTE },
    ]);
  });

  test('changes nothing when repeated', async () => {
    await stage.ran('db-a', 1, T, T + 90 * MINUTE);
    await stage.roll(hours(0, 2));
    expect(await stage.roll(hours(0, 2))).toBe(0);
  });

  test('counts what still runs up to the end of the period, and more of it later', async () => {
    await stage.ran('db-a', 1, T, null);
    await stage.roll({ from_ms: T, to_ms: T + 5 * MINUTE });
    expect((await ledger())[0]?.ms).toBe(5 * MINUTE);
    await stage.roll({ from_ms: T + 7 * MINUTE, to_ms: T + 20 * MINUTE });
    expect((await ledger())[0]?.ms).toBe(20 * MINUTE);
    await stage.roll({ from_ms: T + 1 * MINUTE, to_ms: T + 2 * MINUTE });
    expect((await ledger())[0]?.ms).toBe(20 * MINUTE);
  });

  test('brings along what became known of hours that had been rolled up', async () => {
    await stage.ran('db-a', 1, T, null);
    await stage.roll(hours(0, 2));
    await stage.ran('db-a', 1, T, T + 30 * MINUTE);
    await stage.ran('db-b', 1, T + 10 * MINUTE, T + 20 * MINUTE);
    await stage.roll(hours(2, 3));
    expect((await ledger()).map((l) => [l.database_id, l.hour, l.ms])).toEqual([
      ['db-a', 0, 30 * MINUTE],
      ['db-b', 0, 10 * MINUTE],
    ]);
  });

  test('finds a run that ended within the first hour before the period begins', async () => {
    await stage.ran('db-a', 1, T + 10 * MINUTE, T + 20 * MINUTE);
    await stage.roll({ from_ms: T - HOUR_MS, to_ms: T });
    await stage.roll({ from_ms: T + 30 * MINUTE, to_ms: T + HOUR_MS });
    expect((await ledger())[0]?.ms).toBe(10 * MINUTE);
  });

  test('leaves out a run whose tenant is not known, and takes it when it is', async () => {
    await stage.ran('db-a', 1, T, T + MINUTE, null);
    await stage.roll(hours(0, 1));
    expect(await ledger()).toEqual([]);
    await givenLive(stage.cold, ['db-a']);
    await stage.roll(hours(1, 2));
    expect(await ask(stage.cold, 'select tenant, ms from ledger_line')).toEqual([
      { tenant: 'tenant', ms: MINUTE },
    ]);
  });

  test('knows which hours are missing', async () => {
    expect(await rollupMissing(stage.cold, hours(0, 4))).toBe(T);
    await stage.roll(hours(0, 2));
    expect(await rollupMissing(stage.cold, hours(0, 2))).toBeNull();
    expect(await rollupMissing(stage.cold, hours(0, 4))).toBe(T + 2 * HOUR_MS);
    await rollupBegin(stage.cold, hours(2, 3));
    expect(await rollupMissing(stage.cold, hours(0, 3))).toBe(T + 2 * HOUR_MS);
  });

  test('of any runs, in pages of any size, in any order of periods, is the exact usage', async () => {
    const run = fc.record({
      id: fc.constantFrom('db-a', 'db-b', 'db-c'),
      epoch: fc.integer({ min: 1, max: 4 }),
      from: fc.integer({ min: 0, max: 4 * 60 }),
      minutes: fc.option(fc.integer({ min: 0, max: 180 })),
    });
    const step = fc.record({
      runs: fc.array(run, { maxLength: 3 }),
      from: fc.integer({ min: 0, max: 4 * 60 }),
      minutes: fc.integer({ min: 1, max: 200 }),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
        await ask(stage.cold, 'delete from ledger_line');
        await ask(stage.cold, 'update ledger_hour set upto_ms = hour_ms, complete_ms = hour_ms');
        await ask(
          stage.cold,
          `update usage_interval set started_ms = null, stopped_ms = null,
          next_ms = null, ended_ms = null, dirty = true`,
        );
        for (const { runs, from, minutes, limit } of steps) {
          for (const { id, epoch, from: at, minutes: lasted } of runs)
            await stage.ran(
              id,
              epoch,
              T + at * MINUTE,
              lasted === null ? null : T + (at + lasted) * MINUTE,
            );
          const from_ms = T + from * MINUTE;
          await stage.roll({ from_ms, to_ms: from_ms + minutes * MINUTE }, limit);
        }
        const expected = await ask(
          stage.cold,
          `select u.database_id, u.epoch, (h.hour_ms - $1) / 3600000 as hour,
                  least(coalesce(u.ended_ms, h.upto_ms), h.upto_ms)
                    - greatest(u.started_ms, h.hour_ms) as ms
             from usage_interval u cross join ledger_hour h
            where u.started_ms is not null and least(coalesce(u.ended_ms, h.upto_ms), h.upto_ms)
                    > greatest(u.started_ms, h.hour_ms)
            order by 1, 2, 3`,
          [T],
        );
        expect(await ledger()).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });
});

describe('the activities of a rollup', () => {
  const now = T + 24 * HOUR_MS;
  const billing = (draining = new AbortController().signal) =>
    createBillingActivities({ cold: stage.cold, draining, now: () => now });

  test('a period in the future opens no hours', async () => {
    const period = { from_ms: now, to_ms: now + HOUR_MS };
    await expect(perform(billing().rollupOpen, period)).rejects.toMatchObject({
      code: 'bad_request',
    });
  });

  test('pages go on where an earlier attempt was', async () => {
    await stage.ran('db-a', 1, T, T + MINUTE);
    await stage.ran('db-b', 1, T, T + MINUTE);
    const period = await perform(billing().rollupOpen, hours(0, 1));
    const details = { after: { database_id: 'db-a', epoch: 1 }, intervals: 1, lines: 1 };
    const second = environment({ attempt: 2, heartbeatDetails: details });
    expect(await second.run(billing().rollupPages, period, null)).toEqual({
      after: null,
      intervals: 2,
      lines: 2,
    });
    expect((await ledger()).map((line) => line.database_id)).toEqual(['db-b']);
  });

  test('when the process drains, they answer how far they are', async () => {
    const activities = billing(AbortSignal.abort());
    const period = await perform(activities.rollupOpen, hours(0, 1));
    const from = { database_id: 'db-a', epoch: 7 };
    expect(await perform(activities.rollupPages, period, from)).toMatchObject({ after: from });
  });
});
