/** `npm start` as a process, through its whole life. The tests follow one another on one home. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRunner, type Runner } from '../../bench/kills/runner.ts';
import { connect } from '../../db/client.ts';
import { readEndpoints, type Endpoints } from '../../dev/endpoints.ts';
import { createFleetClient } from '../../dev/fleet-client.ts';
import { clearVanished, homePaths, type HomePaths } from '../../dev/home.ts';
import { BIND } from '../../dev/plan.ts';
import { findPortBase } from '../../dev/ports.ts';
import { isAlive, processesBelow, processesWith } from '../../dev/process-table.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { canLower, isLowered } from '../support/lowered.ts';

const GONE_MS_MAX = 15_000;

jest.setTimeout(120_000);

let folder: string;
let portBase: number;
let paths: HomePaths;
let runner: Runner;
let endpoints: Endpoints;

const runnerOn = (name: string): Runner =>
  createRunner({
    home: join(folder, name),
    logFile: join(folder, `${name}.log`),
    settings: { PILOTLIGHT_PORT_BASE: String(portBase) },
  });

async function query(text: string): Promise<unknown> {
  const client = await connect(endpoints.demo?.connection_string ?? '');
  try {
    return (await client.query(text)).rows[0]?.[0];
  } finally {
    await client.end();
  }
}

async function demo() {
  const fleet = createFleetClient(endpoints.api.url, endpoints.api.tokens['operator'] ?? '');
  try {
    return await fleet.get(endpoints.demo?.database ?? '');
  } finally {
    fleet.close();
  }
}

/** Everything that runs of this home, the runner aside. */
const running = () => [
  ...processesWith('PILOTLIGHT_WATCH', paths.watch),
  ...processesBelow(paths.state),
];

const tenants = () => processesBelow(join(paths.state, 'volume/directories'));

async function until(holds: () => boolean | Promise<boolean>, ms: number): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it has not come to that');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'pilotlight-test-')));
  portBase = await findPortBase(2, BIND);
  paths = homePaths(join(folder, 'home'));
  runner = runnerOn('home');
  endpoints = await runner.start();
});

afterAll(async () => {
  await runner.stop();
  await rm(folder, { recursive: true, force: true });
  await clearVanished(paths);
});

test('a first start leaves a demo database asleep, and a plain driver wakes it', async () => {
  const before = await demo();
  expect(before.state).toBe('suspended');
  expect(await query('select 40 + 2')).toBe(42);
  // The index hears of a start beside the answer to it.
  await until(async () => (await demo()).state === 'running', 5_000);
  expect((await demo()).epoch).toBe(before.epoch + 1);
  await query('create table kept as select 7 as n');
});

test('what the home holds of secrets is for its owner alone', async () => {
  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
  expect(await modeOf(paths.home)).toBe(0o700);
  for (const name of ['endpoints.json', 'secrets.json', 'demo.json', 'operator.header'])
    expect(await modeOf(join(paths.home, name))).toBe(0o600);
});

test('a second start on the same home is refused with the pid that has it', async () => {
  const sentence = `a stack runs on ${paths.home} already (process ${endpoints.runner.pid}); stop it with: kill ${endpoints.runner.pid}`;
  await expect(runnerOn('home').start()).rejects.toThrow(sentence);
});

test('a taken port is named, with the way out', async () => {
  const sentence = `port ${portBase} on 127.0.0.1 is taken by another program; set PILOTLIGHT_PORT_BASE to start the ports elsewhere`;
  await expect(runnerOn('other').start()).rejects.toThrow(sentence);
  await clearVanished(homePaths(join(folder, 'other')));
  await rm(join(folder, 'other'), { recursive: true });
  await clearVanished(homePaths(join(folder, 'other')));
});

test('a process that dies is started again', async () => {
  const pid = endpoints.processes['api'] ?? 0;
  process.kill(pid, 'SIGKILL');
  await until(async () => {
    const now = (await runner.endpoints())?.processes['api'];
    return now !== undefined && now !== pid;
  }, 10_000);
  expect(await query('select n from kept')).toBe(7);
});

test('cold Postgres gets what the hot path leaves, also after a crash, where the machine can', async () => {
  const lowered = (name: string) =>
    processesBelow(join(paths.state, name)).map(({ pid }) => isLowered(pid));
  const can = canLower();
  const settled = () => {
    const cold = lowered('cold');
    return cold.length > 1 && cold.every((is) => is === can);
  };
  expect(settled()).toBe(true);
  const pid = endpoints.processes['cold'] ?? 0;
  process.kill(pid, 'SIGKILL');
  await until(async () => {
    const now = (await runner.endpoints())?.processes['cold'];
    return now !== undefined && now !== pid && settled();
  }, 20_000);
  expect(lowered('hot')).not.toContain(true);
});

test('after kill -9 of the runner the next start takes over, and tenants’ Postgres live on', async () => {
  await query('select 1');
  const before = tenants().map(({ pid }) => pid);
  const api = endpoints.processes['api'];
  await runner.kill();
  expect(running().length).toBeGreaterThan(0);
  endpoints = await runner.start();
  expect(endpoints.processes['api']).not.toBe(api);
  const epoch = (await demo()).epoch;
  expect(await query('select n from kept')).toBe(7);
  expect((await demo()).epoch).toBe(epoch);
  expect(tenants().map(({ pid }) => pid)).toEqual(expect.arrayContaining(before.slice(0, 1)));
});

test('SIGTERM stops everything in order, and nothing is left', async () => {
  const began = Date.now();
  expect(await runner.stop()).toBe(true);
  expect(Date.now() - began).toBeLessThan(10_000);
  expect(running()).toEqual([]);
  expect(await runner.endpoints()).toBeUndefined();
  expect(await readFile(join(folder, 'home.log'), 'utf8')).toContain('stopped');
});

test('SIGTERM to npm itself, as a supervisor sends it, stops the stack before npm ends', async () => {
  const npm = spawn('npm', ['start'], {
    cwd: PACKAGE_ROOT,
    env: childEnvironment({
      PILOTLIGHT_TEMPORAL: 'off',
      PILOTLIGHT_PORT_BASE: String(portBase),
      PILOTLIGHT_HOME: paths.home,
    }),
    stdio: 'ignore',
  });
  let started: Endpoints | undefined;
  await until(async () => (started = await readEndpoints(paths.home)) !== undefined, 60_000);
  npm.kill('SIGTERM');
  await once(npm, 'exit');
  expect(started && isAlive(started.runner)).toBe(false);
  expect(running()).toEqual([]);
});

test('state survives a restart', async () => {
  const { database } = endpoints.demo ?? {};
  endpoints = await runner.start();
  expect(endpoints.demo?.database).toBe(database);
  expect((await demo()).state).toBe('suspended');
  expect(await query('select n from kept')).toBe(7);
});

test('a home that is removed ends everything, its runner as well', async () => {
  await rm(paths.home, { recursive: true });
  await until(() => running().length === 0, GONE_MS_MAX);
  await until(async () => (await stat(paths.state).catch(() => undefined)) === undefined, 5_000);
  await until(() => !isAlive(endpoints.runner), 5_000);
});

test('a home that is removed after its runner was killed ends everything, too', async () => {
  await runner.start();
  await runner.kill();
  await rm(paths.home, { recursive: true });
  await until(() => running().length === 0, GONE_MS_MAX);
  await until(async () => (await stat(paths.state).catch(() => undefined)) === undefined, 5_000);
});
