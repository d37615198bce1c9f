/**
 * Starts and suspends as fast as they go, beside pgbench with the same statements one at a time: same
 * server, same synchronous_commit, same run, the arms in turn. Hosts are simulated.
 *
 * `http`: clients → api → simulated agents in a process of their own, everything over HTTP.
 * `in_process`: the verbs down to the index without HTTP; agents answer at once, in this process.
 * `pgbench`: the statements that the product runs in one cycle, recorded from it.
 * `lean`: the claim, and one statement that takes it back; no product could do with less.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../lib/config-error.ts';
import type { Bench, BenchOptions, BenchResult } from './harness.ts';
import { benchDatabaseId, fillIndex, insertTenant, type BenchHost } from './hot-rows.ts';
import { withClient, withHotServer, type HotDatabase, type HotServer } from './hot-server.ts';
import { openInProcess, type InProcess } from './in-process.ts';
import { openLoadClient } from './load.ts';
import { LEAN_END, PGBENCH_CLIENTS, findPgbench, runPgbench, scriptOf } from './pgbench.ts';
import { PROXY_TOKEN, SIM_TENANTS, withSimFleet, type SimFleet } from './sim-fleet.ts';
import { median, quantile } from './stats.ts';

const ROUNDS = 3;
const TURN_S = 5;
/** Concurrent callers of the product's arms: a busy api has many, and that is what batches live on. */
const CALLERS = 128;
const HOSTS = 8;
const SLOTS = 128;
const DATABASES = 512;
/** Of the recorded cycle: a number that no other value of its statements has. */
const RECORDED_EPOCH = 7_654_321;

const hosts: readonly BenchHost[] = Array.from({ length: HOSTS }, (_, i) => ({
  host: `host-${i + 1}`,
  slots: SLOTS,
}));

interface Turn {
  readonly rate: number;
  /** Milliseconds of each start. */
  readonly starts: readonly number[];
}

interface Verbs {
  readonly start: (database: string) => Promise<number>;
  readonly suspend: (database: string, epoch: number) => Promise<void>;
}

/** Each caller has databases of its own, as each client of pgbench. */
async function turn(
  callers: readonly Verbs[],
  databases: readonly string[],
  signal: AbortSignal,
): Promise<Turn> {
  const share = Math.floor(databases.length / callers.length);
  const starts: number[] = [];
  const began = performance.now();
  const until = began + TURN_S * 1_000;
  async function call({ start, suspend }: Verbs, first: number): Promise<void> {
    for (let i = 0; performance.now() < until; i++) {
      if (signal.aborted) throw new ConfigError('stopped');
      const database = databases[first + (i % share)] ?? '';
      const at = performance.now();
      const epoch = await start(database);
      starts.push(performance.now() - at);
      await suspend(database, epoch);
    }
  }
  await Promise.all(callers.map((verbs, i) => call(verbs, i * share)));
  return { rate: (starts.length * 1_000) / (performance.now() - began), starts };
}

async function openHttpCaller(fleet: SimFleet): Promise<Verbs & { close: () => void }> {
  const client = await openLoadClient(fleet.apiUrl, PROXY_TOKEN);
  async function ask(path: string, body: unknown): Promise<Record<string, unknown>> {
    const answer = await client.post(`/v1/databases/${path}`, body);
    if (answer.status !== 200)
      throw new ConfigError(`${path} was answered ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Record<string, unknown>;
  }
  return {
    start: async (database) => Number((await ask(`${database}/start`, {}))['epoch']),
    async suspend(database, epoch) {
      const { outcome } = await ask(`${database}/suspend`, { epoch });
      if (outcome !== 'suspended')
        throw new ConfigError(`a suspend was answered ${String(outcome)}`);
    },
    close: client.close,
  };
}

async function recordScripts(database: HotDatabase, product: InProcess) {
  const id = benchDatabaseId(0);
  // The first start also asks for the tenant's limits, which are then remembered.
  await product.record(id);
  await withClient(database.adminUrl, (client) =>
    client.query('update database set epoch = $1 where id = $2', [RECORDED_EPOCH - 1, id]),
  );
  const ran = await product.record(id);
  const { rows } = await withClient(database.adminUrl, (client) =>
    client.query('select last_host from database where id = $1', [id]),
  );
  const cycle = { database: id, epoch: RECORDED_EPOCH, host: String(rows[0]?.[0]) };
  const [claim] = ran;
  if (claim === undefined || !claim.text.includes('database_start('))
    throw new Error(`BUG: a start begins with ${claim?.text ?? 'no statement'}`);
  return {
    statements: ran.length,
    full: scriptOf(cycle, ran, DATABASES),
    lean: scriptOf(cycle, [claim, LEAN_END], DATABASES),
  };
}

type ArmName = 'pgbench' | 'lean' | 'http' | 'in_process';
type Arm = () => Promise<Turn>;

/** @returns undefined for what can not be measured here. */
async function pgbenchArms(server: HotServer, database: HotDatabase, product: InProcess) {
  if ((await findPgbench()) === undefined) return undefined;
  const { full, lean, statements } = await recordScripts(database, product);
  const settings = await product.settings();
  const epochs = () =>
    withClient(database.adminUrl, async (client) => {
      const { rows } = await client.query('select sum(epoch) from database', []);
      return Number(rows[0]?.[0]);
    });
  const arm = (name: string, script: string) => async () => {
    const before = await epochs();
    const { rate, cycles } = await runPgbench({
      url: database.apiUrl,
      script,
      file: join(server.folder, `${name}.sql`),
      seconds: TURN_S,
      settings,
    });
    const claimed = (await epochs()) - before;
    if (claimed !== cycles)
      throw new Error(`BUG: pgbench ran ${cycles} cycles and claimed ${claimed} times`);
    return { rate, starts: [] };
  };
  return { statements, pgbench: arm('full', full), lean: arm('lean', lean) };
}

/** No arm pays for the dead rows and the dirty pages of the one before it. */
async function settle(databases: readonly HotDatabase[]): Promise<void> {
  for (const { adminUrl } of databases)
    await withClient(adminUrl, async (client) => {
      await client.query('vacuum');
      await client.query('checkpoint');
    });
}

async function measure(
  arms: readonly (readonly [ArmName, Arm])[],
  rounds: number,
  databases: readonly HotDatabase[],
  options: BenchOptions,
): Promise<Readonly<Record<ArmName, readonly Turn[]>>> {
  const turns: Record<ArmName, Turn[]> = { pgbench: [], lean: [], http: [], in_process: [] };
  for (let round = 0; round <= rounds; round++) {
    for (let i = 0; i < arms.length; i++) {
      const [name, arm] = arms[(round + i) % arms.length] ?? [];
      if (name === undefined || arm === undefined) continue;
      await settle(databases);
      const taken = await arm();
      options.say(
        `${round === 0 ? 'warm-up' : `round ${round}`}: ${name} ${taken.rate.toFixed(0)}/s`,
      );
      if (round > 0) turns[name].push(taken);
    }
  }
  return turns;
}

function resultOf(
  turns: Readonly<Record<ArmName, readonly Turn[]>>,
  statements: number | undefined,
): BenchResult {
  const rates = (name: ArmName): number[] => turns[name].map(({ rate }) => rate);
  const [http, inProcess] = [median(rates('http')), median(rates('in_process'))];
  const [full, lean] = [median(rates('pgbench')), median(rates('lean'))];
  const starts = turns.http.flatMap((taken) => taken.starts);
  const beside =
    statements === undefined ? {} : { ratio: http / full, ratio_in_process: inProcess / full };
  const more =
    statements === undefined
      ? {}
      : {
          ratio_lean: http / lean,
          ratio_in_process_lean: inProcess / lean,
          statements,
          pgbench_per_s: Math.round(full),
          lean_per_s: Math.round(lean),
        };
  return {
    samples: {
      starts_ms: starts,
      http_per_s: rates('http'),
      in_process_per_s: rates('in_process'),
      pgbench_per_s: rates('pgbench'),
      lean_per_s: rates('lean'),
    },
    figures: {
      ...beside,
      cycles_per_s: Math.round(http),
      p50_ms: median(starts),
      p99_ms: quantile(starts, 0.99),
      in_process_per_s: Math.round(inProcess),
      ...more,
      callers: CALLERS,
    },
  };
}

async function runArms(
  server: HotServer,
  claims: HotDatabase,
  database: HotDatabase,
  fleet: SimFleet,
  options: BenchOptions,
): Promise<BenchResult> {
  options.say(`making ${DATABASES} databases on ${HOSTS} simulated hosts`);
  const made: string[] = [];
  while (made.length < DATABASES) made.push(await fleet.create());
  const callers = await Promise.all(Array.from({ length: CALLERS }, () => openHttpCaller(fleet)));
  const product = openInProcess(claims.apiUrl, hosts);
  try {
    const yardsticks = await pgbenchArms(server, claims, product);
    if (yardsticks === undefined)
      options.say('pgbench is not installed (Debian: postgresql-contrib): no ratios are taken');
    const commit = (await product.settings()).get('synchronous_commit');
    options.say(
      `synchronous_commit=${commit} in all arms; ${CALLERS} callers beside pgbench -c ${PGBENCH_CLIENTS} -j 1`,
    );
    const local = Array.from({ length: CALLERS }, () => product);
    const ids = Array.from({ length: DATABASES }, (_, n) => benchDatabaseId(n));
    const arms: [ArmName, Arm][] = [
      ['http', () => turn(callers, made, options.signal)],
      ['in_process', () => turn(local, ids, options.signal)],
    ];
    if (yardsticks !== undefined)
      arms.push(['pgbench', yardsticks.pgbench], ['lean', yardsticks.lean]);
    // What the index still has to hear is not to fall into the first turn.
    await delay(1_000);
    const turns = await measure(arms, options.times ?? ROUNDS, [claims, database], options);
    return resultOf(turns, yardsticks?.statements);
  } finally {
    for (const { close } of callers) close();
    await product.close();
  }
}

async function run(options: BenchOptions): Promise<BenchResult> {
  return withHotServer(async (server) => {
    const claims = await server.create('claims');
    await withClient(claims.adminUrl, (client) => fillIndex(client, DATABASES, hosts));
    const database = await server.create('fleet');
    await withClient(database.adminUrl, async (client) => {
      for (const tenant of SIM_TENANTS) await insertTenant(client, tenant);
    });
    const { signal } = options;
    return withSimFleet(
      server,
      { hotUrl: database.apiUrl, hosts: HOSTS, slots: SLOTS, signal },
      (fleet) => runArms(server, claims, database, fleet, options),
    );
  });
}

export const hotVerbs: Bench = {
  name: 'hot-verbs',
  what: 'starts and suspends beside pgbench',
  run,
};
