/** What the agent counts. Labels come from closed sets: verbs, codes of the error table, sizes. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { METRICS_PREFIX } from '../lib/metrics.ts';
import type { Journal } from './journal.ts';
import type { Slots } from './slots.ts';
import type { FollowedSpace } from './space.ts';
import type { Sync } from './sync.ts';

/** Seconds; an attach is at 20 ms, a recovery may take a minute. */
const BUCKETS = [0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5, 20, 60];

export interface HostMetrics {
  /** @param result `ok` or a code of the error table. */
  readonly verb: (verb: string, result: string, ms: number) => void;
}

export function createHostMetrics(
  registry: Registry,
  slots: Pick<Slots, 'all'>,
  isFenced: () => boolean,
): HostMetrics {
  const registers = [registry];
  const name = (suffix: string): string => `${METRICS_PREFIX}host_${suffix}`;
  const verbs = new Histogram({
    name: name('verb_seconds'),
    help: 'from request to answer',
    labelNames: ['verb', 'result'],
    buckets: BUCKETS,
    registers,
  });
  const refusals = new Counter({
    name: name('refusals_total'),
    help: 'requests that were refused or failed',
    labelNames: ['verb', 'result'],
    registers,
  });
  new Gauge({
    name: name('slots'),
    help: 'slots that are not vacant',
    labelNames: ['size', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { size, state } of slots.all()) this.inc({ size, state });
    },
  });
  new Gauge({
    name: name('fenced'),
    help: '1 while the heartbeat can not be renewed',
    registers,
    collect() {
      this.set(isFenced() ? 1 : 0);
    },
  });
  return {
    verb(verb, result, ms) {
      verbs.observe({ verb, result }, ms / 1000);
      if (result !== 'ok') refusals.inc({ verb, result });
    },
  };
}

/** What is left of the volume, and all of it, as the agent saw it a second ago. */
export function addSpaceMetrics(registry: Registry, space: Pick<FollowedSpace, 'current'>): void {
  new Gauge({
    name: `${METRICS_PREFIX}host_volume_bytes`,
    help: 'of the volume: what is free, and all of it',
    labelNames: ['part'],
    registers: [registry],
    collect() {
      const { free_bytes, total_bytes } = space.current();
      this.set({ part: 'free' }, free_bytes);
      this.set({ part: 'total' }, total_bytes);
    },
  });
}

/** How far the apis are behind what this host knows. */
export function addReportMetrics(
  registry: Registry,
  journal: Pick<Journal, 'backlog'>,
  taken: Sync['taken'],
): void {
  new Gauge({
    name: `${METRICS_PREFIX}host_event_backlog`,
    help: 'events of this boot that are not acknowledged yet',
    registers: [registry],
    collect() {
      this.set(journal.backlog());
    },
  });
  new Gauge({
    name: `${METRICS_PREFIX}host_report_age_seconds`,
    help: 'since an api took a report of this host: how stale its memory is',
    labelNames: ['api'],
    registers: [registry],
    collect() {
      for (const [api, at] of taken) this.set({ api }, (performance.now() - at) / 1000);
    },
  });
}
