/** The story that `npm run demo` tells: what a fleet of databases that scale to zero feels like. */
import { connect, type Client } from '../db/client.ts';
import { AppError } from '../model/errors.ts';
import { median } from '../bench/stats.ts';
import type { FleetClient } from './fleet-client.ts';
import { alignTable, textOf } from './table.ts';

const DATABASES = 3;
const CLIENTS = 20;
const ROWS = 1_000;
const IDLE_MS = 2_000;
/** The idle time, the agent's looks and the stop itself. */
const SLEEP_MS_MAX = 20_000;

export interface DemoStage {
  readonly fleet: FleetClient;
  readonly say: (line: string) => void;
  /** Kills the agent of this host at once, as a crash would. @returns false if it is not known. */
  readonly killAgent: (host: string) => Promise<boolean>;
}

interface Made {
  readonly id: string;
  readonly connection_string: string;
}

interface Line {
  readonly what: string;
  readonly samples: readonly number[];
}

const COUNT = 'select count(*)::int from note';

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const began = performance.now();
  const value = await work();
  return { ms: performance.now() - began, value };
}

const open = (url: string): Promise<Client> =>
  connect(url, { applicationName: 'pilotlight demo', onError: () => undefined });

/** Connects, counts the rows and leaves: what a client's first query costs. */
async function visit(url: string): Promise<number> {
  const { ms } = await timed(async () => {
    const client = await open(url);
    try {
      const { rows } = await client.query(COUNT);
      if (rows[0]?.[0] !== ROWS)
        throw new AppError('internal', {
          detail: `${ROWS} rows went in, ${textOf(rows[0]?.[0])} are there`,
        });
    } finally {
      await client.end();
    }
  });
  return ms;
}

async function fill(url: string): Promise<number> {
  const client = await open(url);
  try {
    const { ms } = await timed(async () => {
      await client.query('create table note (id int primary key, body text not null)');
      await client.query(
        `insert into note select n, 'note ' || n from generate_series(1, ${ROWS}) n`,
      );
    });
    return ms;
  } finally {
    await client.end();
  }
}

async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

async function allAsleep(stage: DemoStage, made: readonly Made[]): Promise<number> {
  const { ms } = await timed(() =>
    Promise.all(
      made.map(({ id }) => stage.fleet.waitFor(id, (d) => d.state === 'suspended', SLEEP_MS_MAX)),
    ),
  );
  return ms;
}

/** A session goes on while the agent beside it dies, and newcomers get in. */
async function surviveCrash(stage: DemoStage, first: Made): Promise<Line[]> {
  const client = await open(first.connection_string);
  try {
    const { host } = await stage.fleet.get(first.id);
    if (host === null || !(await stage.killAgent(host))) {
      stage.say('no agent could be killed here; that part is left out');
      return [];
    }
    stage.say(`the agent of ${host} is killed (kill -9); its Postgres live on`);
    const query = await timed(() => client.query(COUNT));
    return [
      { what: 'query of an open session, agent dead', samples: [query.ms] },
      {
        what: 'connect to a running database, agent dead',
        samples: [await visit(first.connection_string)],
      },
    ];
  } finally {
    await client.end();
  }
}

async function tell(stage: DemoStage, made: Made[]): Promise<Line[]> {
  const { fleet, say } = stage;
  const creates: number[] = [];
  for (let i = 0; i < DATABASES; i++) {
    const { ms, value } = await timed(() =>
      fleet.create({ tenant: 'demo', idle_ms: IDLE_MS, labels: { purpose: 'demo-run' } }),
    );
    made.push(value);
    creates.push(ms);
    say(`created ${value.id} (${value.cold_start}) in ${ms.toFixed(0)} ms`);
  }
  const [first] = made;
  if (first === undefined) throw new Error('BUG: nothing was made');
  const urls = made.map((database) => database.connection_string);
  const fills = await each(urls, fill);
  say(`${ROWS} rows into each; now nobody is on them for ${IDLE_MS / 1000} s`);
  await allAsleep(stage, made);
  say('all three are suspended: no process, no memory, only their directories');
  const wakes = await each(urls, visit);
  await allAsleep(stage, made);
  say(`asleep again; ${CLIENTS} clients connect to one of them at once`);
  const burst = await Promise.all(
    Array.from({ length: CLIENTS }, () => visit(first.connection_string)),
  );
  const crash = await surviveCrash(stage, first);
  await allAsleep(stage, made);
  say('asleep once more, after the crash; and waking');
  const again = await each(urls, visit);
  say(`all ${ROWS} rows are still in each`);
  return [
    { what: 'create', samples: creates },
    { what: `table and ${ROWS} rows`, samples: fills },
    { what: 'wake: connect to the first row', samples: wakes },
    { what: `wake with ${CLIENTS} clients at once`, samples: burst },
    ...crash,
    { what: 'wake after the crash', samples: again },
  ];
}

/** Tells it, and deletes what it created. @returns the table of latencies as lines. */
export async function tellStory(stage: DemoStage): Promise<readonly string[]> {
  const made: Made[] = [];
  try {
    const lines = await tell(stage, made);
    const fixed = (ms: number): string => ms.toFixed(1);
    return alignTable(
      ['what', 'n', 'fastest ms', 'median ms', 'slowest ms'],
      lines.map(({ what, samples }) => [
        what,
        samples.length,
        fixed(Math.min(...samples)),
        fixed(median(samples)),
        fixed(Math.max(...samples)),
      ]),
    );
  } finally {
    for (const { id } of made) await stage.fleet.remove(id);
  }
}
