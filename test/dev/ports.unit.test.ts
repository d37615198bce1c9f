import { expect, test } from '@jest/globals';
import { APIS_MAX, HOSTS_MAX, PORTS_SPAN, allPorts, portsFrom } from '../../dev/ports.ts';

test('every process has a port of its own, within the span, for as many hosts as there may be', () => {
  const ports = allPorts(portsFrom(7400, HOSTS_MAX, APIS_MAX));
  expect(new Set(ports).size).toBe(ports.length);
  expect(Math.min(...ports)).toBe(7400);
  expect(Math.max(...ports)).toBeLessThan(7400 + PORTS_SPAN);
});

test('the ports are where the documentation says', () => {
  expect(portsFrom(7400, 2, 2)).toEqual({
    proxy: 7400,
    apis: [7401, 7402],
    proxyHealth: 7403,
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
