import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readChaosArguments } from '../../bench/chaos/arguments.ts';
import { createAvailability, longestGap } from '../../bench/chaos/availability.ts';
import { common, merged, overlapMs } from '../../bench/chaos/intervals.ts';
import {
  KINDS_COUNT,
  planChaos,
  scheduledDown,
  spanOf,
  type Fault,
} from '../../bench/chaos/plan.ts';
import { compareUsage, createSightings, type Seen } from '../../bench/chaos/usage.ts';
import type { AgentEvent } from '../../model/wire.ts';

const FLEET = {
  apis: ['api', 'api-2'],
  proxies: ['proxy', 'proxy-2'],
  hosts: ['host-1', 'host-2', 'host-3'],
};
const TEN_MINUTES = 600_000;
const fault = (of: Partial<Fault>): Fault => ({
  verb: 'away',
  what: 'api',
  names: ['api'],
  atMs: 0,
  forMs: 10,
  which: 0,
  ...of,
});

test('chaos takes minutes and a seed', () => {
  expect(readChaosArguments(['--minutes', '10', '--seed', '3'])).toMatchObject({
    minutes: 10,
    seed: 3,
  });
  expect(readChaosArguments(['--logs', 'there'])).toMatchObject({ logs: 'there' });
  expect(readChaosArguments([])).toMatchObject({ minutes: 1 });
  expect(() => readChaosArguments(['--seed', 'x'])).toThrow('--seed must be a whole number');
  expect(() => readChaosArguments(['--hours', '1'])).toThrow('usage: npm run chaos');
});

test('a seed decides what breaks when and for how long', () => {
  expect(planChaos(TEN_MINUTES, 7, FLEET)).toEqual(planChaos(TEN_MINUTES, 7, FLEET));
  expect(planChaos(TEN_MINUTES, 7, FLEET)).not.toEqual(planChaos(TEN_MINUTES, 8, FLEET));
});

test('a longer run begins as a shorter one of its seed', () => {
  const short = planChaos(60_000, 7, FLEET);
  expect(planChaos(TEN_MINUTES, 7, FLEET).slice(0, short.length)).toEqual(short);
});

test('of any seed all kinds come, three at most at once but clocks, none of a process twice, all end in time', () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), (seed) => {
      const plan = planChaos(TEN_MINUTES, seed, FLEET);
      expect(new Set(plan.map(({ verb, what, all }) => `${verb} ${what} ${all}`)).size).toBe(
        KINDS_COUNT,
      );
      for (const one of plan) {
        expect(one.atMs + one.forMs).toBeLessThanOrEqual(TEN_MINUTES);
        const during = plan.filter(
          (other) => other !== one && other.atMs <= one.atMs && other.atMs + other.forMs > one.atMs,
        );
        const held = during.filter(({ verb }) => verb !== 'clock');
        if (one.verb !== 'clock') expect(held.length).toBeLessThan(3);
        const shared = during.flatMap(({ names }) => names).filter((n) => one.names.includes(n));
        expect(shared).toEqual([]);
      }
    }),
    { numRuns: 20 },
  );
});

test('all apis or all hosts are down by schedule while each of them is', () => {
  const plan = [
    fault({ atMs: 0, forMs: 100, names: ['api'] }),
    fault({ verb: 'freeze', atMs: 60, forMs: 100, names: ['api-2'] }),
    fault({ what: 'host', atMs: 200, forMs: 50, names: ['host-1', 'host-2', 'host-3'] }),
  ];
  expect(scheduledDown(plan, FLEET)).toEqual([
    { fromMs: 60, toMs: 100 },
    { fromMs: 200, toMs: 250 },
  ]);
});

test('a frozen agent, or one that the apis do not reach, is not a host that is down', () => {
  const names = ['host-1', 'host-2', 'host-3'];
  const plan = [
    fault({ verb: 'freeze', what: 'agent', names }),
    fault({ verb: 'cut', what: 'agent', names, atMs: 50 }),
    fault({ what: 'proxy', names: ['proxy', 'proxy-2'], atMs: 100 }),
  ];
  expect(scheduledDown(plan, FLEET)).toEqual([]);
  expect(plan.map(spanOf)[1]).toEqual({ fromMs: 50, toMs: 60 });
});

const span = (fromMs: number, toMs: number) => ({ fromMs, toMs });

test('spans are merged, cut with each other and measured', () => {
  expect(merged([span(5, 8), span(0, 2), span(1, 3)])).toEqual([span(0, 3), span(5, 8)]);
  expect(common([[span(0, 3), span(5, 8)], [span(2, 6)]])).toEqual([span(2, 3), span(5, 6)]);
  expect(common([[span(0, 3)], []])).toEqual([]);
  expect(common([])).toEqual([]);
  expect(overlapMs(span(2, 10), [span(0, 3), span(1, 4), span(9, 12)])).toBe(3);
});

test('a database is away from the first try that fails to the next row of a new session', () => {
  const availability = createAvailability();
  availability.tried(10);
  availability.used(20);
  availability.tried(30);
  availability.tried(35);
  availability.used(90);
  // A client that had begun before is no new one.
  availability.used(95);
  availability.tried(100);
  expect(availability.isWaiting()).toBe(true);
  expect(availability.gaps(130)).toEqual([span(10, 20), span(30, 90), span(100, 130)]);
});

test('what was down by schedule is not counted as unavailability', () => {
  const gaps = [span(0, 50), span(100, 180)];
  expect(longestGap(gaps, [])).toMatchObject({ fromMs: 100, ms: 80 });
  expect(longestGap(gaps, [span(110, 170)])).toMatchObject({ fromMs: 0, ms: 50 });
  expect(longestGap([], []).ms).toBe(0);
});

const DIRECTORY = 'abcdefghijklmnop';
const BEGAN = Date.parse('2026-01-01T00:00:00Z');
let seq = 0;

const event = (kind: AgentEvent['kind'], afterMs: number, epoch = 2): AgentEvent => ({
  ...{ host: 'host-1', boot: 1, seq: (seq += 1), kind, epoch, size: 'small' },
  ...{ directory: DIRECTORY, database: 'db-a', at: new Date(BEGAN + afterMs).toISOString() },
});

const seen = (fromMs: number, toMs: number, epoch = 2): Seen => ({
  ...{ host: 'host-1', directory: DIRECTORY, epoch },
  ...span(BEGAN + fromMs, BEGAN + toMs),
});

const compare = (events: AgentEvent[], runs: Seen[], away = [span(0, 0)]) =>
  compareUsage({
    events,
    seen: runs,
    away: () => away.map(({ fromMs, toMs }) => span(BEGAN + fromMs, BEGAN + toMs)),
    wrong: () => [span(BEGAN + 100_000, BEGAN + 110_000)],
  });

test('an interval whose edges are where the processes began and ended differs by nothing', () => {
  const events = [event('started', 300), event('suspended', 9_100)];
  expect(compare(events, [seen(0, 9_000)])).toEqual({
    ...{ edges: 2, differences: [], largest: 300, unjudged: 0 },
  });
});

test('an end that is noted late counts beyond its tolerance, less the time of an absent agent', () => {
  const events = [event('started', 300), event('released', 19_000)];
  const runs = [seen(0, 9_000)];
  expect(compare(events, runs).differences).toMatchObject([{ ms: 8_000 }]);
  expect(compare(events, runs, [span(9_000, 18_000)]).differences).toEqual([]);
});

test('an end that is noted before the last process is gone counts', () => {
  const events = [event('started', 300), event('suspended', 5_000)];
  expect(compare(events, [seen(0, 9_000)]).differences).toMatchObject([{ ms: 3_000 }]);
});

test('a run without an interval counts whole, and an interval without a run', () => {
  const first = [event('started', 0), event('suspended', 2_000)];
  const runs = [seen(0, 2_000), seen(10_000, 40_000, 3)];
  expect(compare(first, runs).differences).toMatchObject([{ ms: 29_000 }]);
  const events = [...first, event('started', 10_000, 3), event('crashed', 40_000, 3)];
  expect(compare(events, [seen(0, 2_000)]).differences).toMatchObject([{ ms: 30_000 }]);
});

test('a warm slot may run long before it is a database', () => {
  const { database: _, ...warmed } = event('warmed', 0, 1);
  const events = [warmed, event('started', 60_000, 1), event('suspended', 70_000, 1)];
  expect(compare(events, [seen(0, 70_000, 1)])).toMatchObject({ differences: [], largest: 0 });
});

test('a database that ran under a wrong clock is not compared', () => {
  const events = [event('started', 104_000), event('suspended', 3_000_000)];
  expect(compare(events, [seen(104_000, 120_000)])).toMatchObject({
    ...{ edges: 0, differences: [], unjudged: 1 },
  });
});

test('the watcher knows an incarnation by its log', () => {
  const sightings = createSightings();
  const incarnation = `/run/pilotlight/1a2b3c4d-2/${DIRECTORY}.7/log`;
  const occupant = { pid: 1, directory: DIRECTORY, incarnation };
  sightings.look([occupant], 10);
  sightings.look([occupant, { pid: 2, directory: 'x', incarnation: '/elsewhere' }], 20);
  expect(sightings.seen()).toEqual([
    { host: 'host-2', directory: DIRECTORY, epoch: 7, fromMs: 10, toMs: 20 },
  ]);
});
