/** postgres.js, which sends queries without waiting for the answers of earlier ones. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import postgres from 'postgres';
import {
  BIG,
  COPY_LINES,
  failureOf,
  runCases,
  type Cases,
  type Driver,
  type Target,
} from './driver.ts';

type Options = postgres.Options<Record<string, never>>;
type Sql = postgres.Sql;

async function withSql<T>(
  target: Target,
  options: Options,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { host, port, user, password, database } = target;
  const own = { host, port, user, password, database, max: 1, onnotice: () => undefined };
  const sql = postgres({ ...own, ...options }) as unknown as Sql;
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const entered = async (sql: Sql): Promise<unknown> =>
  sql`select current_user, current_database(), 1 + 1 as two`;

/** As it flows: iterated over, the driver's stream stops for ever at some sizes, with Postgres as well. */
async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks).toString();
}

async function copied(sql: Sql): Promise<unknown> {
  await sql`create temporary table t (a int, b text)`;
  const into = await sql`copy t from stdin`.writable();
  // Until it is destroyed: that forgets a stream of the connection, which may be the next one's.
  const closed = once(into, 'close');
  await pipeline(Readable.from(COPY_LINES), into);
  await closed;
  const back = await readAll(await sql`copy t to stdout`.readable());
  return [back.length, back.slice(0, 100), await sql`select count(*), sum(a) from t`];
}

async function notified(sql: Sql): Promise<unknown> {
  let tell: (payload: string) => void = () => undefined;
  const told = new Promise<string>((resolve) => (tell = resolve));
  const { unlisten } = await sql.listen('news', (payload) => tell(payload));
  await sql.notify('news', 'höre');
  const payload = await told;
  await unlisten();
  return payload;
}

async function cancelled(sql: Sql): Promise<unknown> {
  const sleeping = sql`select pg_sleep(20)`;
  const answer = sleeping.catch(failureOf);
  await new Promise((resolve) => setTimeout(resolve, 100));
  sleeping.cancel();
  return [await answer, await sql`select 1 as one`];
}

const SESSION: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  types: (sql) =>
    sql`select 1::int8 as i, 1.5::numeric as n, 'ä€😀' as t, '\\x00ff'::bytea as b, null as z,
      array[1,2] as a, '{"k":[1]}'::jsonb as j, true as y`,
  'an error': (sql) => sql`select 1/0`,
  'a parameter of 10 MB': (sql) => sql`select md5(${BIG}::text) as md5, length(${BIG}::text) as n`,
  'bytes of 10 MB': (sql) => sql`select md5(${Buffer.alloc(10_000_000, 7)}::bytea) as md5`,
  'a row of 10 MB': (sql) => sql`select repeat('ab', 5000000) as big`,
  'a simple query of several': (sql) => sql`select 1 as a; select 2 as b`.simple(),
  prepared: async (sql) => {
    for (const n of [1, 2, 3]) await sql`select ${n}::int + 1 as n`;
    return sql`select statement from pg_prepared_statements order by 1`;
  },
  unprepared: (sql) => sql.unsafe('select $1::int as n', [1], { prepare: false }),
  pipeline: (sql) => Promise.all(Array.from({ length: 200 }, (_, i) => sql`select ${i}::int as i`)),
  'pipeline with an error': (sql) =>
    Promise.all(
      Array.from({ length: 20 }, (_, i) => sql`select 10 / ${i - 7}::int as q`.catch(failureOf)),
    ),
  cursor: async (sql) => {
    const sums: number[] = [];
    for await (const rows of sql`select i from generate_series(1, 1000) i`.cursor(100))
      sums.push(rows.reduce((sum, row) => sum + Number(row['i']), 0));
    return sums;
  },
  transaction: (sql) =>
    sql.begin(async (inner) => {
      await inner`create temporary table x (n int) on commit drop`;
      await inner`insert into x select generate_series(1, 10)`;
      const failed = await inner.savepoint((s) => s`select 1/0`).catch(failureOf);
      return [failed, await inner`select sum(n) from x`];
    }),
  copy: copied,
  notify: notified,
  cancel: cancelled,
};

async function run(target: Target) {
  const [ca, other] = await Promise.all([
    readFile(target.certificate, 'utf8'),
    readFile(target.otherCertificate, 'utf8'),
  ]);
  const direct = { sslnegotiation: 'direct' } as Options;
  const ways: Readonly<Record<string, Options>> = {
    disable: { ssl: false },
    allow: { ssl: 'allow' },
    prefer: { ssl: 'prefer' },
    require: { ssl: 'require' },
    'verify-full': { ssl: 'verify-full' },
    'verify-full by this certificate': { ssl: { ca, servername: 'localhost' } },
    'verify-full by another certificate': { ssl: { ca: other, servername: 'localhost' } },
    direct: { ...direct, ssl: 'require' },
  };
  const cases: Record<string, Cases[string]> = {};
  for (const [way, options] of Object.entries(ways)) {
    cases[`login: ${way}`] = (to) => withSql(to, options, entered);
    cases[`login: ${way}, wrong password`] = (to) =>
      withSql(to, { ...options, password: 'wrong' }, entered);
  }
  for (const way of ['disable', 'require', 'direct'])
    for (const [name, work] of Object.entries(SESSION))
      cases[`${way}: ${name}`] = (to) => withSql(to, ways[way] ?? {}, work);
  return runCases(cases, target);
}

export const postgresJs: Driver = { name: 'postgres.js', run };
