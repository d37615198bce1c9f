/** Prometheus metrics of one process; every name begins with `pilotlight_`. */
import { collectDefaultMetrics, Registry } from 'prom-client';

export const METRICS_PREFIX = 'pilotlight_';

/** @param process_ label of every metric: api, host, proxy, … */
export function createRegistry(process_: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ process: process_ });
  collectDefaultMetrics({ register: registry, prefix: METRICS_PREFIX });
  return registry;
}
