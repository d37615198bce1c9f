import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  amountOf,
  HOUR_MS,
  hourBefore,
  invoiceOf,
  invoiceText,
  monthBefore,
  monthOf,
  monthPeriod,
  priceOf,
  wrongPeriod,
  type InvoiceParts,
} from '../../../model/cold/billing.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 5);

describe('periods', () => {
  test.each([
    [{ from_ms: NOW - 1, to_ms: NOW }, undefined],
    [{ from_ms: 0.5, to_ms: NOW }, 'whole milliseconds'],
    [{ from_ms: 0, to_ms: NaN }, 'whole milliseconds'],
    [{ from_ms: -1, to_ms: NOW }, 'whole milliseconds'],
    [{ from_ms: NOW, to_ms: NOW }, 'before'],
    [{ from_ms: NOW, to_ms: NOW + 60_000 }, 'future'],
    [{ from_ms: NOW, to_ms: NOW + 1_000 }, undefined],
    [{ from_ms: 0, to_ms: NOW }, 'hours'],
  ])('%j is refused with: %s', (period, why) => {
    const wrong = wrongPeriod(period, NOW);
    if (why === undefined) expect(wrong).toBeUndefined();
    else expect(wrong).toContain(why);
  });

  test('the hour before the scheduled time, and the month before', () => {
    expect(hourBefore(NOW)).toEqual({
      from_ms: Date.UTC(2026, 10, 23, 8),
      to_ms: Date.UTC(2026, 10, 23, 9),
    });
    expect(monthBefore(NOW)).toBe('2026-10');
    expect(monthBefore(Date.UTC(2027, 0, 1))).toBe('2026-12');
    expect(monthOf(NOW)).toBe('2026-11');
  });

  test('a month is that of UTC, leap years included', () => {
    const february = monthPeriod('2028-02');
    expect(february).toEqual({ from_ms: Date.UTC(2028, 1, 1), to_ms: Date.UTC(2028, 2, 1) });
    expect(monthPeriod('2026-12')?.to_ms).toBe(Date.UTC(2027, 0, 1));
  });

  test.each(['2026-13', '2026-00', '2026-1', '1969-12', '2026-11-01', ''])(
    '%s is no month',
    (text) => {
      expect(monthPeriod(text)).toBeUndefined();
    },
  );
});

describe('what usage costs', () => {
  test.each([
    // 1 ms at 1,800,000 micro-units per hour is exactly one half.
    [1, 1_800_000, 0],
    [3, 1_800_000, 2],
    [5, 1_800_000, 2],
    [1, 1_800_001, 1],
    [1, 1_799_999, 0],
    [HOUR_MS, 16_000, 16_000],
    [0, 16_000, 0],
  ])('%i ms at %i per hour cost %i: half to even', (ms, price, amount) => {
    expect(amountOf(ms, price)).toBe(amount);
  });

  test('is never further than one half from the true amount', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 31 * 24 * HOUR_MS }),
        fc.integer({ min: 0, max: 1_000_000_000 }),
        (ms, price) => {
          const off = BigInt(amountOf(ms, price)) * BigInt(HOUR_MS) - BigInt(ms) * BigInt(price);
          expect((off < 0n ? -off : off) * 2n <= BigInt(HOUR_MS)).toBe(true);
        },
      ),
    );
  });

  test('an amount beyond safe integers is a bug, and so is a size without a price', () => {
    expect(() => amountOf(Number.MAX_SAFE_INTEGER, 1_000_000_000)).toThrow('safe integer');
    expect(() => priceOf([], 'small', '2026-11')).toThrow('no price');
  });

  test('the price of a month is the last one that had begun', () => {
    const prices = [
      { size: 'small', from_month: '2026-12', micro_per_hour: 3 },
      { size: 'small', from_month: '1970-01', micro_per_hour: 1 },
      { size: 'small', from_month: '2026-06', micro_per_hour: 2 },
      { size: 'medium', from_month: '1970-01', micro_per_hour: 9 },
    ];
    const of = (month: string) => priceOf(prices, 'small', month);
    expect([of('2026-05'), of('2026-06'), of('2026-11'), of('2026-12')]).toEqual([1, 2, 2, 3]);
  });
});

const PARTS: InvoiceParts = {
  tenant: 'acme',
  month: '2026-11',
  state: 'issued',
  usage: [
    { month: '2026-11', database: 'db-b', size: 'small', ms: HOUR_MS },
    { month: '2026-11', database: 'db-a', size: 'small', ms: 90_000 },
    { month: '2026-11', database: 'db-a', size: 'medium', ms: 60_000 },
    { month: '2026-10', database: 'db-a', size: 'small', ms: 2 * HOUR_MS },
    { month: '2026-10', database: 'db-n', size: 'small', ms: HOUR_MS },
    { month: '2026-10', database: 'db-s', size: 'small', ms: 77 },
  ],
  charged: [
    { month: '2026-10', database: 'db-a', size: 'small', ms: HOUR_MS, amount_micro: 16_000 },
    { month: '2026-10', database: 'db-g', size: 'small', ms: HOUR_MS, amount_micro: 16_000 },
    { month: '2026-10', database: 'db-s', size: 'small', ms: 77, amount_micro: 0 },
  ],
  prices: [
    { size: 'small', from_month: '1970-01', micro_per_hour: 16_000 },
    { size: 'medium', from_month: '1970-01', micro_per_hour: 64_000 },
  ],
};

describe('an invoice', () => {
  test('has a line per database and size, and what earlier months should have had', () => {
    const price = { size: 'small', micro_per_hour: 16_000 };
    expect(invoiceOf(PARTS)).toEqual({
      version: 1,
      tenant: 'acme',
      month: '2026-11',
      state: 'issued',
      lines: [
        {
          database: 'db-a',
          size: 'medium',
          ms: 60_000,
          micro_per_hour: 64_000,
          amount_micro: 1_067,
        },
        { ...price, database: 'db-a', ms: 90_000, amount_micro: 400 },
        { ...price, database: 'db-b', ms: HOUR_MS, amount_micro: 16_000 },
      ],
      adjustments: [
        { ...price, month: '2026-10', database: 'db-a', ms: HOUR_MS, amount_micro: 16_000 },
        { ...price, month: '2026-10', database: 'db-g', ms: -HOUR_MS, amount_micro: -16_000 },
        { ...price, month: '2026-10', database: 'db-n', ms: HOUR_MS, amount_micro: 16_000 },
      ],
      sizes: [
        { size: 'medium', ms: 60_000, amount_micro: 1_067 },
        { size: 'small', ms: 2 * HOUR_MS + 90_000, amount_micro: 32_400 },
      ],
      total_ms: 2 * HOUR_MS + 150_000,
      total_micro: 33_467,
    });
  });

  test('is the same text whatever the order of its parts', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...PARTS.usage], { minLength: PARTS.usage.length }),
        fc.shuffledSubarray([...PARTS.charged], { minLength: PARTS.charged.length }),
        (usage, charged) =>
          expect(invoiceText(invoiceOf({ ...PARTS, usage, charged }))).toBe(
            invoiceText(invoiceOf(PARTS)),
          ),
      ),
    );
  });

  test('what is adjusted is settled: with it charged, nothing is left to adjust', () => {
    const { adjustments } = invoiceOf(PARTS);
    const charged = [...PARTS.charged, ...adjustments];
    const keys = [...new Set(charged.map((line) => line.database))];
    const summed = keys.map((database) => {
      const own = charged.filter((line) => line.database === database);
      const sum = (of: (line: (typeof own)[number]) => number) =>
        own.reduce((total, line) => total + of(line), 0);
      return {
        month: '2026-10',
        database,
        size: 'small',
        ms: sum((line) => line.ms),
        amount_micro: sum((line) => line.amount_micro),
      };
    });
    expect(invoiceOf({ ...PARTS, charged: summed }).adjustments).toEqual([]);
  });
});
