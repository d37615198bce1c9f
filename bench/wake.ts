/**
 * What a wake costs beside Postgres' own start. Three arms, interleaved, on like directories:
 * `raw`: postgres with our settings, spawned until the first row over its socket;
 * `stock`: the same with Postgres' default settings;
 * `ours`: a database that is asleep and released; connect through the proxy until the first row.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../db/client.ts';
import { SOCKET_PORT } from '../host/postgres.ts';
import { ConfigError } from '../lib/config-error.ts';
import {
  makeBareDirectories,
  ourSettings,
  placeOf,
  startBare,
  startByPgCtl,
  type BareDirectory,
} from './bare-arm.ts';
import { withBenchFleet, type BenchDatabase, type BenchFleet } from './fleet.ts';
import type { Bench, BenchOptions, BenchResult } from './harness.ts';
import { median, quantile } from './stats.ts';

const TIMES = 120;
const WARM_UP = 5;
/** Directories per arm, taken in turn. */
const DIRECTORIES = 4;
/** `pg_ctl` is shown for comparison only. */
const PGCTL_TIMES = 15;

type ArmName = 'raw' | 'stock' | 'ours';
type Arm = (round: number) => Promise<number>;

function pick<T>(items: readonly T[], round: number): T {
  const item = items[round % items.length];
  if (item === undefined) throw new Error('BUG: an arm without directories');
  return item;
}

/** Plain TCP, SCRAM with 4,096 iterations, a new connection. @returns ms to the first row. */
async function wakeOnce(fleet: BenchFleet, database: BenchDatabase): Promise<number> {
  const began = performance.now();
  const client = await connect(database.connection_string, { onError: () => undefined });
  await client.query('select 1');
  const ms = performance.now() - began;
  await client.end();
  await fleet.sleep(database);
  return ms;
}

/** Default settings listen on localhost, so the port must be one that nobody has. */
const stockPort = (fleet: BenchFleet): number => fleet.stack.endpoints.proxy.port + 45;

async function createArms(fleet: BenchFleet, folder: string) {
  const count = Array.from({ length: DIRECTORIES }, (_, i) => i + 1);
  const bare = (arm: string): Promise<readonly BareDirectory[]> =>
    makeBareDirectories(
      fleet.stack.endpoints.volume,
      folder,
      count.map((n) => `${arm}-${n}`),
    );
  const raw = await bare('raw');
  const stock = await bare('stock');
  const databases: BenchDatabase[] = [];
  for (const _ of count) {
    const database = await fleet.create();
    await fleet.sleep(database);
    databases.push(database);
  }
  const port = stockPort(fleet);
  const arms: Readonly<Record<ArmName, Arm>> = {
    raw: (n) => startBare(pick(raw, n), ourSettings(pick(raw, n)), SOCKET_PORT),
    stock: (n) => startBare(pick(stock, n), placeOf(pick(stock, n), port), port),
    ours: (n) => wakeOnce(fleet, pick(databases, n)),
  };
  const pgctl: Arm = (n) => startByPgCtl(pick(stock, n), placeOf(pick(stock, n), port));
  return { arms, pgctl };
}

/** Each round takes every arm once, in an order that changes from round to round. */
async function interleave(
  arms: Readonly<Record<ArmName, Arm>>,
  times: number,
  options: BenchOptions,
): Promise<Readonly<Record<ArmName, number[]>>> {
  const names: readonly ArmName[] = ['raw', 'stock', 'ours'];
  const samples: Record<ArmName, number[]> = { raw: [], stock: [], ours: [] };
  for (let round = 0; round < WARM_UP + times; round++) {
    for (let i = 0; i < names.length; i++) {
      if (options.signal.aborted) throw new ConfigError('stopped');
      const name = pick(names, round + i);
      const ms = await arms[name](round);
      if (round >= WARM_UP) samples[name].push(ms);
    }
    if ((round + 1) % 25 === 0) options.say(`${round + 1} rounds of ${WARM_UP + times}`);
  }
  return samples;
}

function resultOf(
  samples: Readonly<Record<ArmName, readonly number[]>>,
  pgctl: readonly number[],
): BenchResult {
  const raw = median(samples.raw);
  const stock = median(samples.stock);
  const ours = median(samples.ours);
  return {
    samples: { ...samples, pgctl },
    figures: {
      ratio_p50: ours / raw,
      overhead_p50_ms: ours - raw,
      vs_stock_p50: ours / stock,
      raw_p50_ms: raw,
      wake_p50_ms: ours,
      wake_p99_ms: quantile(samples.ours, 0.99),
      stock_p50_ms: stock,
      pgctl_p50_ms: median(pgctl),
      n: samples.ours.length,
    },
  };
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const times = options.times ?? TIMES;
  const folder = await mkdtemp(join(tmpdir(), 'plb-'));
  try {
    await chmod(folder, 0o711);
    options.say('starting a stack of its own');
    const { say, signal } = options;
    return await withBenchFleet({ say, signal }, async (fleet) => {
      const { arms, pgctl } = await createArms(fleet, folder);
      const samples = await interleave(arms, times, options);
      const slow: number[] = [];
      for (let i = 0; i < Math.min(PGCTL_TIMES, times); i++) slow.push(await pgctl(i));
      return resultOf(samples, slow);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const wake: Bench = { name: 'wake', what: 'a wake beside a bare start of Postgres', run };
