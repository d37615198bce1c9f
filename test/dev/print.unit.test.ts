import { expect, test } from '@jest/globals';
import type { Endpoints } from '../../dev/endpoints.ts';
import { createProgress, readyText } from '../../dev/print.ts';

const ENDPOINTS: Endpoints = {
  home: '/home/me/.pilotlight',
  runner: { pid: 1, started: '1' },
  ready_at: '2026-11-23T08:00:00.000Z',
  proxy: {
    host: '127.0.0.1',
    port: 7400,
    ports: [7400],
    health_url: 'http://127.0.0.1:7403',
    certificate: 'proxy.crt',
  },
  api: { url: 'http://127.0.0.1:7401', urls: ['http://127.0.0.1:7401'], tokens: {} },
  hosts: [],
  volume: '/home/me/.pilotlight/state/volume',
  hot_url: 'postgresql://hot',
  cold_url: 'postgresql://cold',
  management: null,
  demo: { database: 'db-x', connection_string: 'postgresql://owner:pw@127.0.0.1:7400/db-x' },
  processes: {},
};

test('what is printed when ready begins with the line that programs wait for', () => {
  const text = readyText(ENDPOINTS, '4.2 s', '.pilotlight/operator.header');
  expect(text.split('\n')[0]).toBe('ready: hot path (4.2 s)');
  expect(text).toContain('psql "postgresql://owner:pw@127.0.0.1:7400/db-x"');
  expect(text).toContain(
    'curl -s -H @.pilotlight/operator.header http://127.0.0.1:7401/v1/databases',
  );
  expect(text).toContain('npm run demo');
});

test('without a demo database no connection string is made up', () => {
  const text = readyText({ ...ENDPOINTS, demo: null }, '4.2 s', 'header');
  expect(text).not.toContain('postgresql://');
});

test('progress shows the time since the start', () => {
  let now = 1_000;
  const lines: string[] = [];
  const progress = createProgress(
    (text) => lines.push(text),
    () => now,
  );
  now = 2_500;
  progress.say('api is ready');
  expect(lines).toEqual(['   1.5 s  api is ready\n']);
  expect(progress.elapsed()).toBe('1.5 s');
});
