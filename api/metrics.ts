/** What the api measures. Labels are closed sets: verbs, codes, kinds; never ids. */
import { Counter, Gauge, Histogram } from 'prom-client';
import { createRegistry } from '../lib/metrics.ts';
import type { Fleet } from '../model/fleet.ts';
import type { Starter } from './context.ts';

/** Seconds; a warm wake is at 25 ms, a refusal by patience at 20 s. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40];

export function createMetrics(parts: { readonly fleet: Fleet; readonly starter: Starter }) {
  const registry = createRegistry('api');
  const registers = [registry];
  const requests = new Histogram({
    name: 'pilotlight_api_request_seconds',
    help: 'Time to answer, by route, code (ok or the code of the error table) and kind of cold start',
    labelNames: ['route', 'code', 'cold_start'],
    buckets: BUCKETS,
    registers,
  });
  const index = new Histogram({
    name: 'pilotlight_api_index_seconds',
    help: 'Time of the index in what is answered, by statement; the time of agents is theirs to say',
    labelNames: ['statement'],
    buckets: BUCKETS,
    registers,
  });
  const syncs = new Counter({
    name: 'pilotlight_syncs_total',
    help: 'Reports of hosts: taken into the index, or seen before',
    labelNames: ['outcome'],
    registers,
  });
  const swept = new Counter({
    name: 'pilotlight_transitions_swept_total',
    help: 'Transitions taken back after their deadline, by state',
    labelNames: ['state'],
    registers,
  });
  new Gauge({
    name: 'pilotlight_starts_in_flight',
    help: 'Starts that have not been answered yet',
    registers,
    collect() {
      this.set(parts.starter.inFlight());
    },
  });
  new Gauge({
    name: 'pilotlight_running_databases',
    help: 'Databases that this instance knows to run',
    registers,
    collect() {
      this.set(parts.fleet.size().running);
    },
  });
  return { registry, requests, index, syncs, swept };
}

export type Metrics = ReturnType<typeof createMetrics>;
