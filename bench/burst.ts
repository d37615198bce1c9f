/** Crowds: 50 clients at once on one sleeping database, and 20 sleeping databases at once. */
import { connect } from '../db/client.ts';
import { ConfigError } from '../lib/config-error.ts';
import { withBenchFleet, type BenchDatabase, type BenchFleet } from './fleet.ts';
import type { Bench, BenchOptions, BenchResult } from './harness.ts';

const CLIENTS = 50;
const DATABASES = 20;
/** 50 clients need more than the 40 connections of `small`. */
const ONE_SIZE = 'medium';

interface Answer {
  readonly ms: number;
  readonly error: string | undefined;
}

async function visit(url: string): Promise<Answer> {
  const began = performance.now();
  try {
    const client = await connect(url, { onError: () => undefined });
    const { rows } = await client.query('select 1');
    const ms = performance.now() - began;
    await client.end();
    return { ms, error: rows[0]?.[0] === 1 ? undefined : 'a wrong row' };
  } catch (error) {
    const ms = performance.now() - began;
    return { ms, error: error instanceof Error ? error.message : String(error) };
  }
}

const visitAll = (databases: readonly BenchDatabase[]): Promise<Answer[]> =>
  Promise.all(databases.map((database) => visit(database.connection_string)));

async function epochs(fleet: BenchFleet, databases: readonly BenchDatabase[]): Promise<number> {
  const found = await Promise.all(databases.map((database) => fleet.epochOf(database)));
  return found.reduce((sum, epoch) => sum + epoch, 0);
}

interface Crowd {
  readonly answers: readonly Answer[];
  /** Epochs that were minted for it. */
  readonly starts: number;
}

/** Wakes these databases by as many clients as are named, all at once. */
async function crowd(
  fleet: BenchFleet,
  databases: readonly BenchDatabase[],
  clients: readonly BenchDatabase[],
): Promise<Crowd> {
  for (const database of databases) await fleet.sleep(database);
  const before = await epochs(fleet, databases);
  const answers = await visitAll(clients);
  return { answers, starts: (await epochs(fleet, databases)) - before };
}

async function measure(fleet: BenchFleet, options: BenchOptions): Promise<BenchResult> {
  const one = await fleet.create(ONE_SIZE);
  const many: BenchDatabase[] = [];
  for (let i = 0; i < DATABASES; i++) {
    if (options.signal.aborted) throw new ConfigError('stopped');
    many.push(await fleet.create());
  }
  options.say(`${CLIENTS} clients at once on one sleeping database`);
  const same = await crowd(
    fleet,
    [one],
    Array.from({ length: CLIENTS }, () => one),
  );
  options.say(`${DATABASES} sleeping databases at once`);
  const each = await crowd(fleet, many, many);
  const failures = [...same.answers, ...each.answers].filter(({ error }) => error !== undefined);
  for (const { error } of failures.slice(0, 3)) options.say(`refused: ${error}`);
  const answered = same.answers.filter(({ error }) => error === undefined).length;
  const good =
    same.starts === 1 && answered === CLIENTS && each.starts === DATABASES && failures.length === 0;
  return {
    samples: {
      same_db: same.answers.map(({ ms }) => ms),
      many: each.answers.map(({ ms }) => ms),
    },
    figures: {
      same_db_starts: same.starts,
      same_db_answers: answered,
      many_starts: each.starts,
      errors: failures.length,
      same_db_max_ms: Math.max(...same.answers.map(({ ms }) => ms)),
      many_max_ms: Math.max(...each.answers.map(({ ms }) => ms)),
    },
    ...(good ? {} : { broken: 'one start per sleeping database, and an answer for everyone' }),
  };
}

async function run(options: BenchOptions): Promise<BenchResult> {
  options.say('starting a stack of its own');
  const { say, signal } = options;
  const settings = { PILOTLIGHT_SLOTS: 'small=32,medium=4' };
  return withBenchFleet({ say, signal, settings }, (fleet) => measure(fleet, options));
}

export const burst: Bench = { name: 'burst', what: 'crowds on sleeping databases', run };
