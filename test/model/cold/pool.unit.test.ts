import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { planRefill, type Stock } from '../../../model/cold/pool.ts';

const stock = (host: string, vacant: number, warm: number, cordoned = false): Stock => ({
  host_id: host,
  url: `http://${host}`,
  cordoned,
  vacant,
  warm,
});

describe('the plan of a refill', () => {
  test('builds what each host lacks, the neediest first', () => {
    const plan = planRefill([stock('a', 9, 1), stock('b', 9, 0), stock('c', 9, 2)], 2);
    expect(plan).toEqual({
      target: 2,
      warm: 3,
      no_room: 0,
      hosts: [
        { host: 'b', url: 'http://b', builds: 2 },
        { host: 'a', url: 'http://a', builds: 1 },
      ],
    });
  });

  test('takes equal hosts by name, so that the same state gives the same plan', () => {
    const hosts = [stock('b', 1, 0), stock('a', 1, 0), stock('a', 1, 0)];
    expect(planRefill(hosts, 1).hosts.map(({ host }) => host)).toEqual(['a', 'a', 'b']);
  });

  test('gives nothing to a cordoned host, and counts what has no room', () => {
    const plan = planRefill([stock('a', 9, 0, true), stock('b', 1, 0), stock('c', 0, 0)], 3);
    expect(plan).toMatchObject({ no_room: 5, hosts: [{ host: 'b', builds: 1 }] });
  });

  test('removes nothing where there is more than wanted', () => {
    expect(planRefill([stock('a', 9, 5)], 2)).toMatchObject({ warm: 5, no_room: 0, hosts: [] });
  });

  test('never builds more than is missing or than there is room for', () => {
    const count = fc.nat({ max: 20 });
    const hosts = fc.array(fc.record({ vacant: count, warm: count, cordoned: fc.boolean() }));
    fc.assert(
      fc.property(hosts, count, (rows, target) => {
        const stocks = rows.map((row, i) => ({ ...stock(`h${i}`, 0, 0), ...row }));
        for (const { host, builds } of planRefill(stocks, target).hosts) {
          const row = stocks.find(({ host_id }) => host_id === host);
          expect(row?.cordoned).toBe(false);
          expect(builds).toBeGreaterThan(0);
          expect(builds).toBeLessThanOrEqual(row?.vacant ?? 0);
          expect((row?.warm ?? 0) + builds).toBeLessThanOrEqual(target);
        }
      }),
    );
  });
});
