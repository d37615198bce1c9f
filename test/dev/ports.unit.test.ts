import { expect, test } from '@jest/globals';
import {
  allPorts,
  APIS_MAX,
  HOSTS_MAX,
  PORTS_SPAN,
  portsFrom,
  PROXIES_MAX,
} from '../../dev/ports.ts';

test('every process has a port of its own, within the span, for as many hosts as there may be', () => {
  const ports = allPorts(
    portsFrom(7400, { hosts: HOSTS_MAX, apis: APIS_MAX, proxies: PROXIES_MAX }),
  );
  expect(new Set(ports).size).toBe(ports.length);
  expect(Math.min(...ports)).toBe(7400);
  expect(Math.max(...ports)).toBeLessThan(7400 + PORTS_SPAN);
});

test('the ports are where the documentation says', () => {
  expect(portsFrom(7400, { hosts: 2, apis: 2, proxies: 2 })).toEqual({
    proxies: [
      { sql: 7400, health: 7403 },
      { sql: 7404, health: 7405 },
    ],
    apis: [7401, 7402],
    hosts: [7411, 7412],
    hot: 7421,
    cold: 7422,
    temporal: 7431,
    temporalUi: 7432,
    workerHealth: 7433,
    workerMetrics: 7434,
    console: 7441,
  });
});
