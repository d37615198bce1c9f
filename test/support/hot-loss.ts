/** Hot Postgres of a stack as its owner sees it, and what may become of it. */
import { connect, type Client } from '../../db/client.ts';

const TABLES = [
  ...['tenant', 'database', 'assignment', 'slot_vacant', 'slot_warm', 'host'],
  ...['generation', 'event'],
];

export interface HotLoss {
  readonly rowsOf: (text: string) => Promise<readonly unknown[][]>;
  /** @returns what brings it back as it is now, also the sequence of its events. */
  readonly backUp: () => Promise<() => Promise<void>>;
  /** The server stays, and has nothing of ours any more. */
  readonly lose: () => Promise<void>;
}

type Run = Client['query'];

/** Columns that are not made of others. */
async function columnsOf(run: Run, table: string): Promise<string> {
  const { rows } = await run(
    `select string_agg(quote_ident(attname), ', ') from pg_attribute
      where attrelid = $1::regclass and attnum > 0 and attgenerated = '' and not attisdropped`,
    [table],
  );
  return String(rows[0]?.[0]);
}

async function bringBack(run: Run): Promise<void> {
  await run('begin');
  await run(`truncate ${TABLES.join(', ')}, resync`);
  for (const table of TABLES) {
    const columns = await columnsOf(run, table);
    await run(
      `insert into ${table} (${columns}) overriding system value select ${columns} from backup.${table}`,
    );
  }
  // Counted twice: by the copy, and by the trigger on the rows of its databases.
  await run(
    'update tenant t set databases = b.databases from backup.tenant b where b.name = t.name',
  );
  await run(`select setval('event_hot_seq', last_value) from backup.seq`);
  await run('commit');
}

export function hotLoss(hotUrl: () => string): HotLoss {
  async function session<T>(work: (run: Run) => Promise<T>, database?: string): Promise<T> {
    const url = new URL(hotUrl());
    if (database !== undefined) url.pathname = `/${database}`;
    const client = await connect(url.toString(), { onError: () => undefined });
    try {
      return await work(client.query);
    } finally {
      await client.end();
    }
  }
  return {
    rowsOf: (text) => session(async (run) => (await run(text)).rows),
    async backUp() {
      await session(async (run) => {
        await run('create schema backup');
        for (const table of TABLES) await run(`create table backup.${table} as table ${table}`);
        await run('create table backup.seq as select last_value from event_hot_seq');
      });
      return () => session(bringBack);
    },
    async lose() {
      const name = new URL(hotUrl()).pathname.slice(1);
      await session(async (run) => {
        await run(`drop database "${name}" with (force)`);
        await run(`create database "${name}"`);
      }, 'template1');
    },
  };
}
