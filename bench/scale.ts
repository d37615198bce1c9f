/**
 * What a claim takes where the index is large: one at a time, a million vacant slots and a million
 * databases on a thousand hosts beside a thousand of each on ten, interleaved on one server.
 *
 * `held` is the worst that happens to a queue in Postgres: a transaction holds xmin back for the run,
 * so that nothing dead can be removed, and 50,000 dead rows lie at the head of the very host that
 * ran the claimed databases last. Its ratio is to the small index without any of that.
 *
 * Agents answer at once, in this process: what is measured is the start verb without them.
 */
import { ConfigError } from '../lib/config-error.ts';
import { connect } from '../db/client.ts';
import type { Bench, BenchOptions, BenchResult } from './harness.ts';
import { benchDatabaseId, fillIndex, type BenchHost } from './hot-rows.ts';
import { withClient, withHotServer, type HotDatabase, type HotServer } from './hot-server.ts';
import { openInProcess, type InProcess } from './in-process.ts';
import { median, quantile } from './stats.ts';

/** Claims of each arm in each phase: a p99 stands on the 40 slowest. */
const TIMES = 4_000;
const WARM_UP = 300;
/** Claims before the other arm has its turn. */
const TURN = 50;
const SMALL = { rows: 1_000, hosts: 10 };
const LARGE = { rows: 1_000_000, hosts: 1_000 };
const DEAD = 50_000;
/** Databases that the claims of a phase go round. */
const ROUND = 1_000;
/** What holds xmin back until its session ends. */
const HOLD = 'begin isolation level repeatable read; select txid_current()';

interface Arm {
  readonly product: InProcess;
  readonly databases: readonly string[];
  readonly samples: number[];
}

const hostsOf = (rows: number, hosts: number, first: number): readonly BenchHost[] =>
  Array.from({ length: hosts }, (_, i) => ({
    host: `host-${i + 1}`,
    slots: (i === 0 ? first : 0) + Math.floor((rows - first) / hosts),
  }));

const SMALL_HOSTS = hostsOf(SMALL.rows, SMALL.hosts, 0);
const LARGE_HOSTS = hostsOf(LARGE.rows, LARGE.hosts, DEAD);

/** Distinct databases from all over the index. */
const sampleOf = (rows: number): readonly string[] =>
  Array.from({ length: ROUND }, (_, i) => benchDatabaseId(Math.floor((i * rows) / ROUND)));

async function makeIndex(
  server: HotServer,
  name: string,
  rows: number,
  hosts: readonly BenchHost[],
): Promise<HotDatabase> {
  const database = await server.create(name);
  await withClient(database.adminUrl, (client) => fillIndex(client, rows, hosts));
  return database;
}

/** Both arms in turn. */
async function measure(arms: readonly Arm[], times: number, options: BenchOptions): Promise<void> {
  for (let done = -WARM_UP; done < times; done += TURN) {
    for (const { product, databases, samples } of arms) {
      for (let i = 0; i < TURN; i++) {
        if (options.signal.aborted) throw new ConfigError('stopped');
        const database = databases[(done + WARM_UP + i) % databases.length] ?? '';
        const began = performance.now();
        const epoch = await product.start(database);
        if (done >= 0) samples.push(performance.now() - began);
        await product.suspend(database, epoch);
      }
    }
  }
}

/** Sends the sample to one host, holds xmin back and makes the dead rows. @returns who lets go. */
async function poison(
  database: HotDatabase,
  sample: readonly string[],
): Promise<() => Promise<void>> {
  const [first] = LARGE_HOSTS;
  const client = await connect(database.adminUrl, { onError: () => undefined });
  await client.query(`update database set last_host = $1 where id = any ($2)`, [
    first?.host,
    sample,
  ]);
  await client.query('vacuum database');
  await client.query(HOLD);
  await withClient(database.adminUrl, (other) =>
    other.query(`delete from slot_vacant where host_id = $1 and slot <= $2`, [first?.host, DEAD]),
  );
  return () => client.end();
}

function resultOf(clean: readonly Arm[], held: readonly Arm[]): BenchResult {
  const [small, large] = clean.map(({ samples }) => samples);
  const [beside, poisoned] = held.map(({ samples }) => samples);
  const p99 = (samples: readonly number[] | undefined): number => quantile(samples ?? [], 0.99);
  return {
    samples: {
      small_clean: small ?? [],
      large_clean: large ?? [],
      small_beside_held: beside ?? [],
      large_held: poisoned ?? [],
    },
    figures: {
      ratio_p99: p99(large) / p99(small),
      ratio_p99_held: p99(poisoned) / p99(beside),
      p99_1k_ms: p99(small),
      p99_1m_ms: p99(large),
      p99_1m_held_ms: p99(poisoned),
      p50_1k_ms: median(small ?? []),
      p50_1m_ms: median(large ?? []),
      p50_1m_held_ms: median(poisoned ?? []),
      n: small?.length ?? 0,
    },
  };
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const times = options.times ?? TIMES;
  return withHotServer(async (server) => {
    options.say('filling an index of a thousand and one of a million; agents are simulated');
    const small = await makeIndex(server, 'small', SMALL.rows, SMALL_HOSTS);
    const large = await makeIndex(server, 'large', LARGE.rows, LARGE_HOSTS);
    const products = [
      openInProcess(small.apiUrl, SMALL_HOSTS),
      openInProcess(large.apiUrl, LARGE_HOSTS),
    ] as const;
    const samples = { small: sampleOf(SMALL.rows), large: sampleOf(LARGE.rows) };
    const phase = (): readonly Arm[] => [
      { product: products[0], databases: samples.small, samples: [] },
      { product: products[1], databases: samples.large, samples: [] },
    ];
    try {
      options.say('claiming');
      const clean = phase();
      await measure(clean, times, options);
      const letGo = await poison(large, samples.large);
      options.say(`claiming with xmin held and ${DEAD} dead rows at the head`);
      const held = phase();
      await measure(held, times, options);
      await letGo();
      return resultOf(clean, held);
    } finally {
      for (const product of products) await product.close();
    }
  });
}

export const scale: Bench = { name: 'scale', what: 'a claim among a million', run };
