/**
 * What a create costs beside Postgres' own start, the two in turn:
 * `raw`: postgres with our settings on a like directory, spawned until the first row over its socket;
 * `ours`: create over REST from a warm slot, then connect through the proxy until the first row.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../db/client.ts';
import { childrenOf } from '../dev/process-table.ts';
import { ConfigError } from '../lib/config-error.ts';
import { createJsonClient } from '../lib/http-client.ts';
import { POSTGRES_READY_MS_MAX } from '../model/limits.ts';
import { SOCKET_PORT } from '../host/postgres.ts';
import { makeBareDirectories, ourSettings, startBare, type BareDirectory } from './bare-arm.ts';
import { withBenchFleet, type BenchFleet } from './fleet.ts';
import type { Bench, BenchOptions, BenchResult } from './harness.ts';
import { median, quantile } from './stats.ts';
import { countSyncs } from './syncs.ts';

const TIMES = 60;
const WARM_UP = 3;
const DIRECTORIES = 4;
/** Warm slots that are made at once: what makes them is not to run beside what is measured. */
const BATCH = 8;
/** Creates under the eyes of strace, apart from those that are measured. */
const WATCHED = 4;
const SIZE = 'small';
const IDLE_MS = 3_600_000;
const LOOK_MS = 100;

/** Makes warm slots, and returns when the index knows of them all. */
async function makeWarm({ stack }: BenchFleet, count: number, signal: AbortSignal): Promise<void> {
  const { hosts, hot_url } = stack.endpoints;
  const [host] = hosts;
  if (host === undefined) throw new Error('BUG: a stack without hosts');
  const client = createJsonClient(host.token);
  const hot = await connect(hot_url);
  try {
    const options = { body: { size: SIZE }, timeoutMs: POSTGRES_READY_MS_MAX };
    for (let i = 0; i < count; i++) await client.call(`${host.url}/v1/warm`, options);
    for (;;) {
      if (signal.aborted) throw new ConfigError('stopped');
      const { rows } = await hot.query('select count(*)::int from slot_warm');
      if (Number(rows[0]?.[0]) === count) return;
      await delay(LOOK_MS);
    }
  } finally {
    client.close();
    await hot.end();
  }
}

/** @returns milliseconds from the request to the first row. */
async function createOnce({ client }: BenchFleet): Promise<number> {
  const began = performance.now();
  const made = await client.create({ tenant: 'bench', size: SIZE, idle_ms: IDLE_MS });
  const session = await connect(made.connection_string, { onError: () => undefined });
  await session.query('select 1');
  const ms = performance.now() - began;
  await session.end();
  if (made.cold_start !== 'warm')
    throw new ConfigError(`a create was ${made.cold_start}, not warm`);
  await client.remove(made.id);
  return ms;
}

async function measure(
  fleet: BenchFleet,
  bare: readonly BareDirectory[],
  times: number,
  options: BenchOptions,
) {
  const samples = { raw: [] as number[], ours: [] as number[] };
  for (let round = 0; round < WARM_UP + times; round++) {
    if (options.signal.aborted) throw new ConfigError('stopped');
    if (round % BATCH === 0) await makeWarm(fleet, BATCH, options.signal);
    const directory = bare[round % bare.length];
    if (directory === undefined) throw new Error('BUG: no directory');
    const raw = (): Promise<number> => startBare(directory, ourSettings(directory), SOCKET_PORT);
    const first = round % 2 === 0 ? await raw() : undefined;
    const ours = await createOnce(fleet);
    const other = first ?? (await raw());
    if (round < WARM_UP) continue;
    samples.raw.push(other);
    samples.ours.push(ours);
    if ((round + 1) % 20 === 0) options.say(`${round + 1} rounds of ${WARM_UP + times}`);
  }
  return samples;
}

/** @returns how often each create made the machine sync a file, in agents and hot Postgres. */
async function syncsOfCreate(fleet: BenchFleet, options: BenchOptions) {
  await makeWarm(fleet, WATCHED, options.signal);
  const processes = fleet.stack.processes();
  const mains = ['host-1', 'host-2', 'hot'].flatMap((name) => processes[name] ?? []);
  // Of hot Postgres the backends and the writer of its log.
  const pids = [...mains, ...mains.flatMap((pid) => childrenOf(pid).map((child) => child.pid))];
  const syncs = await countSyncs(pids, async () => {
    const { client } = fleet;
    for (let i = 0; i < WATCHED; i++)
      await client.create({ tenant: 'bench', size: SIZE, idle_ms: IDLE_MS });
  });
  if (syncs === undefined) options.say('strace is not installed: fsyncs are not counted');
  return syncs === undefined ? {} : { fsyncs: syncs / WATCHED };
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { say, signal, times = TIMES } = options;
  const folder = await mkdtemp(join(tmpdir(), 'plb-'));
  try {
    await chmod(folder, 0o711);
    say('starting a stack of its own');
    return await withBenchFleet({ say, signal }, async (fleet) => {
      const names = Array.from({ length: DIRECTORIES }, (_, i) => `raw-${i + 1}`);
      const bare = await makeBareDirectories(fleet.stack.endpoints.volume, folder, names);
      const samples = await measure(fleet, bare, times, options);
      const [raw, ours] = [median(samples.raw), median(samples.ours)];
      return {
        samples,
        figures: {
          ratio: ours / raw,
          create_p50_ms: ours,
          raw_p50_ms: raw,
          create_p99_ms: quantile(samples.ours, 0.99),
          ...(await syncsOfCreate(fleet, options)),
          n: samples.ours.length,
        },
      };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const create: Bench = { name: 'create', what: 'a create beside a bare start', run };
