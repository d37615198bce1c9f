/** What the proxy counts. Labels come from closed sets. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { METRICS_PREFIX } from '../lib/metrics.ts';

/** Seconds; a wake is some tens of milliseconds, a hold ends at ten seconds. */
const LOGIN_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface ProxyMetrics {
  /** `result`: `ok`, `client_left`, or a code of the error table. */
  readonly login: (result: string) => void;
  readonly woken: (coldStart: string) => void;
  /** @param kind as `woken`, of the login that waited */
  readonly loginTook: (kind: string, ms: number) => void;
  readonly cancel: (found: boolean) => void;
}

export interface ProxyGauges {
  readonly held: () => number;
  readonly sessions: () => number;
  readonly connections: () => number;
}

export function addGateMetrics(registry: Registry, open: () => number): void {
  new Gauge({
    name: `${METRICS_PREFIX}proxy_gate_connections`,
    help: 'open connections from proxies of other machines',
    registers: [registry],
    collect() {
      this.set(open());
    },
  });
}

export function createProxyMetrics(registry: Registry, gauges: ProxyGauges): ProxyMetrics {
  const registers = [registry];
  const name = (suffix: string): string => `${METRICS_PREFIX}proxy_${suffix}`;
  const logins = new Counter({
    name: name('logins_total'),
    help: 'logins by how they ended',
    labelNames: ['result'],
    registers,
  });
  const wakes = new Counter({
    name: name('starts_total'),
    help: 'start calls that were answered',
    labelNames: ['cold_start'],
    registers,
  });
  const took = new Histogram({
    name: name('login_seconds'),
    help: 'from connect to the first ReadyForQuery',
    labelNames: ['cold_start'],
    buckets: LOGIN_BUCKETS,
    registers,
  });
  const cancels = new Counter({
    name: name('cancels_total'),
    help: 'cancel requests by whether their key was known',
    labelNames: ['found'],
    registers,
  });
  const gauge = (suffix: string, help: string, value: () => number): Gauge =>
    new Gauge({
      name: name(suffix),
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('held_clients', 'clients that wait for a start', gauges.held);
  gauge('sessions', 'open sessions', gauges.sessions);
  gauge('connections', 'open client connections, logins included', gauges.connections);
  return {
    login: (result) => logins.inc({ result }),
    woken: (coldStart) => wakes.inc({ cold_start: coldStart }),
    loginTook: (kind, ms) => took.observe({ cold_start: kind }, ms / 1000),
    cancel: (found) => cancels.inc({ found: String(found) }),
  };
}
