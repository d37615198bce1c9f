/**
 * What the way through the proxy costs, once a database runs. Three ways to the same Postgres, in turns
 * in one run and without TLS: `direct` (its Unix socket), `ours`, and `bouncer` (PgBouncer, session mode),
 * one process each, both by Postgres' Unix socket. Connections per second beside a Postgres of its own that
 * checks the same kind of password over TCP, since a Unix socket asks for none.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findUser, isRoot } from '../../host/prepare.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { OWNER_DATABASE } from '../../model/ids.ts';
import type { RouteAnswer } from '../../model/wire.ts';
import { startReference } from '../drivers/reference.ts';
import { withBenchFleet, type BenchFleet } from '../fleet.ts';
import type { Bench, BenchOptions, BenchResult } from '../harness.ts';
import { median } from '../stats.ts';
import { findMissing, run, startBouncer, type Target, type User } from './yardstick.ts';

const ROUNDS = 3;
const TURN_S = 4;
const CLIENTS = [1, 8, 64] as const;
const MODES = ['simple', 'prepared'] as const;
/** Of pgbench's tables: a million rows, which shared buffers hold. */
const SCALE = 10;
const COPY_ROWS = 1_048_576;
const COPY_ROW_BYTES = 1_023;
const CONNECTING = 8;
/** Until PgBouncer has closed what it does not use. */
const KEPT_MS = 2_500;

const WAYS = ['direct', 'ours', 'bouncer'] as const;
type Way = (typeof WAYS)[number];
type Targets = Readonly<Record<Way, Target>>;
type Rates = Readonly<Record<Way, number>>;

const tpsOf = (said: string): number => {
  const tps = /^tps = ([\d.]+)/m.exec(said)?.[1];
  if (tps === undefined) throw new ConfigError(`pgbench: ${said.trim()}`);
  return Number(tps);
};

/** Each round takes every way once, each first as often as the others. */
async function inTurns(
  rounds: number,
  signal: AbortSignal,
  rateOf: (way: Way) => Promise<number>,
): Promise<Record<Way, number[]>> {
  const found: Record<Way, number[]> = { direct: [], ours: [], bouncer: [] };
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < WAYS.length; i++) {
      if (signal.aborted) throw new ConfigError('stopped');
      const way = WAYS[(i + round) % WAYS.length] ?? 'direct';
      found[way].push(await rateOf(way));
      if (way === 'bouncer') await delay(KEPT_MS);
    }
  return found;
}

const medians = (found: Record<Way, number[]>): Rates => ({
  direct: median(found.direct),
  ours: median(found.ours),
  bouncer: median(found.bouncer),
});

function selects(targets: Targets, mode: string, clients: number) {
  const args = ['-n', '-S', '-M', mode, '-c', String(clients), '-j', '1', '-T', String(TURN_S)];
  return async (way: Way): Promise<number> =>
    tpsOf(await run({ name: 'pgbench', args }, targets[way]));
}

/** @returns MB per second. */
function copies(targets: Targets) {
  const sql = `copy (select repeat('x', ${COPY_ROW_BYTES}) from generate_series(1, ${COPY_ROWS})) to stdout`;
  return async (way: Way): Promise<number> => {
    const began = performance.now();
    await run({ name: 'psql', args: ['-qX', '-c', sql] }, targets[way]);
    return (COPY_ROWS * (COPY_ROW_BYTES + 1)) / 1e3 / (performance.now() - began);
  };
}

/** Connections per second: ours, and of a Postgres that checks the password itself. */
async function measureConnects(
  ours: Target,
  direct: Target,
  folder: string,
  { times = ROUNDS, signal }: BenchOptions,
): Promise<{ ours: number; direct: number }> {
  const file = join(folder, 'one.sql');
  await writeFile(file, 'select 1;\n');
  const args = ['-n', '-C', '-c', String(CONNECTING), '-j', '1', '-T', String(TURN_S), '-f', file];
  const rates = { ours: [] as number[], direct: [] as number[] };
  for (let round = 0; round < times; round++)
    for (const name of round % 2 === 0
      ? (['ours', 'direct'] as const)
      : (['direct', 'ours'] as const)) {
      if (signal.aborted) throw new ConfigError('stopped');
      const target = name === 'ours' ? ours : direct;
      rates[name].push(tpsOf(await run({ name: 'pgbench', args }, target)));
    }
  return { ours: median(rates.ours), direct: median(rates.direct) };
}

async function findTargets(fleet: BenchFleet, user: User) {
  const { api, proxy } = fleet.stack.endpoints;
  const made = await fleet.create('medium');
  const url = new URL(made.connection_string);
  const operator = createJsonClient(api.tokens['operator'] ?? '');
  const route = await operator.call<RouteAnswer>(`${api.url}/v1/databases/${made.id}/route`, {
    timeoutMs: 5_000,
  });
  operator.close();
  if (route.address === undefined) throw new ConfigError('the database does not run');
  const both = { user: url.username, password: url.password };
  const direct = {
    ...both,
    host: route.address.socket,
    port: route.address.port,
    database: OWNER_DATABASE,
    as: user,
  };
  const ours = { ...both, host: '127.0.0.1', port: proxy.port, database: made.id };
  return { address: route.address, direct, ours };
}

async function measure(
  fleet: BenchFleet,
  folder: string,
  options: BenchOptions,
): Promise<BenchResult> {
  const { say, signal, times: rounds = ROUNDS } = options;
  const user = isRoot() ? await findUser('daemon', 'the bench') : undefined;
  const { address, direct, ours } = await findTargets(fleet, user);
  const clientsMax = Math.max(...CLIENTS);
  const { certificate } = fleet.stack.endpoints.proxy;
  const files = { cert: certificate, key: certificate.replace(/crt$/, 'key') };
  const reference = await startReference(folder, files, ours.password);
  const bouncer = await startBouncer(folder, address, user, clientsMax);
  try {
    const targets = {
      direct,
      ours,
      bouncer: { ...direct, host: '127.0.0.1', port: bouncer.port, as: undefined },
    };
    await run({ name: 'pgbench', args: ['-i', '-q', '-s', String(SCALE)] }, ours);
    const samples: Record<string, number[]> = {};
    const ratios: number[] = [];
    const keep = (name: string, found: Record<Way, number[]>): number => {
      for (const way of WAYS) samples[`${name} ${way}`] = found[way];
      const rates = medians(found);
      const [o, b, d] = [rates.ours, rates.bouncer, rates.direct].map((n) => n.toFixed(0));
      const ratio = rates.ours / rates.bouncer;
      say(`${name}: ours ${o}, bouncer ${b}, direct ${d}: ${ratio.toFixed(2)} of the bouncer's`);
      return ratio;
    };
    for (const mode of MODES)
      for (const clients of CLIENTS) {
        const found = await inTurns(rounds, signal, selects(targets, mode, clients));
        ratios.push(keep(`${mode} ${clients}`, found));
      }
    const copy = keep('copy MB/s', await inTurns(rounds, signal, copies(targets)));
    const there = { ...ours, port: reference.port, database: OWNER_DATABASE };
    const connects = await measureConnects(ours, there, folder, options);
    say(`connects: ours ${connects.ours.toFixed(0)}/s, direct ${connects.direct.toFixed(0)}/s`);
    return {
      samples,
      figures: {
        ratio_geomean: Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length),
        ratio_min: Math.min(...ratios),
        copy_ratio: copy,
        connect_vs_direct: connects.ours / connects.direct,
      },
    };
  } finally {
    await bouncer.stop();
    await reference.stop();
  }
}

export const proxy: Bench = {
  name: 'proxy',
  what: 'the way through the proxy beside PgBouncer',
  async run(options) {
    const missing = await findMissing();
    if (missing.length > 0)
      throw new ConfigError(`skipped: ${missing.join(', ')} not installed (Debian has them)`);
    const folder = await mkdtemp(join(tmpdir(), 'pilotlight-proxy-'));
    await chmod(folder, 0o711);
    try {
      const { say, signal } = options;
      const fleet = { hosts: 1, settings: { PILOTLIGHT_SLOTS: 'medium=2' }, say, signal };
      return await withBenchFleet(fleet, (lent) => measure(lent, folder, options));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
