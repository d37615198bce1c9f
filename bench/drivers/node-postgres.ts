/** node-postgres. It has no COPY of its own; a query object does what its add-ons do. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import pg from 'pg';
import {
  BIG,
  COPY_LINES,
  failureOf,
  runCases,
  type Cases,
  type Driver,
  type Target,
} from './driver.ts';

type Options = Partial<pg.ClientConfig> & Readonly<Record<string, unknown>>;

const clientOf = (target: Target, options: Options): pg.Client => {
  const { host, port, user, password, database } = target;
  const client = new pg.Client({ host, port, user, password, database, ...options });
  client.on('error', () => undefined);
  return client;
};

async function withClient<T>(
  target: Target,
  options: Options,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = clientOf(target, options);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const streamOf = (client: pg.Client): TLSSocket =>
  (client as unknown as { connection: { stream: TLSSocket } }).connection.stream;

/** What the client sees of how it got in. */
const entered = async (client: pg.Client): Promise<unknown> => {
  const { rows } = await client.query('select current_user, current_database(), 1 + 1 as two');
  return { rows, tls: (streamOf(client) as Partial<TLSSocket>).getProtocol?.() };
};

interface CopyConnection {
  readonly query: (text: string) => void;
  readonly sendCopyFromChunk: (chunk: Buffer) => void;
  readonly endCopyFrom: () => void;
}

function copy(client: pg.Client, text: string, input: readonly Buffer[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    const submittable = {
      submit: (connection: CopyConnection) => connection.query(text),
      handleCopyInResponse(connection: CopyConnection) {
        for (const chunk of input) connection.sendCopyFromChunk(chunk);
        connection.endCopyFrom();
      },
      handleCopyData: ({ chunk }: { readonly chunk: Buffer }) => output.push(Buffer.from(chunk)),
      handleCommandComplete: () => undefined,
      // After it the driver tells of nothing more.
      handleError: reject,
      handleReadyForQuery: () => resolve(Buffer.concat(output).toString()),
    };
    client.query(submittable as unknown as pg.Submittable);
  });
}

interface CancelConnection {
  readonly on: (event: string, listener: () => void) => void;
  readonly connect: (port: number, host: string) => void;
  readonly requestSsl: () => void;
  readonly cancel: (pid?: number, secret?: number) => void;
}

/** By a connection of its own, as the driver does it; but it knows no TLS there. */
async function cancelled(target: Target, options: Options): Promise<unknown> {
  return withClient(target, options, async (client) => {
    const sleeping = client.query('select pg_sleep(20)').catch(failureOf);
    const { processID, secretKey } = client as unknown as Record<string, number>;
    const other = clientOf(target, options) as unknown as { connection: CancelConnection };
    const { connection } = other;
    connection.on('error', () => undefined);
    const cancel = (): void => connection.cancel(processID, secretKey);
    if (options.ssl === undefined) connection.on('connect', cancel);
    else connection.on('sslconnect', cancel);
    if (options.ssl !== undefined && options['sslnegotiation'] !== 'direct')
      connection.on('connect', () => connection.requestSsl());
    await new Promise((resolve) => setTimeout(resolve, 100));
    connection.connect(target.port, target.host);
    return [await sleeping, (await client.query('select 1 as one')).rows];
  });
}

async function notified(target: Target, options: Options): Promise<unknown> {
  return withClient(target, options, (listener) =>
    withClient(target, options, async (teller) => {
      const told = new Promise((resolve) => {
        listener.once('notification', ({ channel, payload }) => resolve({ channel, payload }));
      });
      await listener.query('listen news');
      await teller.query(`notify news, 'höre'`);
      return told;
    }),
  );
}

/** Told by a hash: among so many numbers there is one that is a port. */
const manyRows = (options: Options) => (target: Target) =>
  withClient(target, options, async (client) => {
    const { rows } = await client.query('select i, md5(i::text) from generate_series(1, 20000) i');
    return [rows.length, createHash('sha256').update(JSON.stringify(rows)).digest('hex')];
  });

async function transactionFailed(client: pg.Client): Promise<unknown> {
  await client.query('begin');
  const first = await client.query('select 1/0').catch(failureOf);
  const second = await client.query('select 1').catch(failureOf);
  const { command } = await client.query('rollback');
  return [first, second, command];
}

async function noticed(client: pg.Client): Promise<unknown> {
  const told = new Promise((resolve) => {
    client.once('notice', ({ message, severity, code }) => resolve({ message, severity, code }));
  });
  await client.query(`do $$ begin raise notice 'so %', 1; end $$`);
  return told;
}

async function copied(client: pg.Client): Promise<unknown> {
  await client.query('create temporary table t (a int, b text)');
  await copy(
    client,
    'copy t from stdin',
    COPY_LINES.map((text) => Buffer.from(text)),
  );
  const back = await copy(client, 'copy t to stdout', []);
  const wrong = await copy(client, 'copy t from stdin', [Buffer.from('x\n')]).catch(failureOf);
  return [back.length, back.slice(0, 100), wrong];
}

/** What a session does, in each way to get in. */
const sessionCases = (how: string, options: Options): Cases => {
  const query = (text: string, values?: unknown[]) => (target: Target) =>
    withClient(target, options, async (client) => {
      const { rows, rowCount, command } = await client.query<Record<string, unknown>>(text, values);
      return { rows, rowCount, command };
    });
  return Object.fromEntries(
    Object.entries({
      types: query(
        `select 1::int8 as i, 1.5::numeric as n, 'ä€😀' as t, '\\x00ff'::bytea as b, null as z,
          array[1,2] as a, '{"k":[1]}'::jsonb as j, date '2026-01-02' as d, true as y`,
      ),
      'an error': query('select 1/0'),
      'an error of syntax': query('selekt 1'),
      'a parameter of 10 MB': query('select md5($1) as md5, length($1) as length', [BIG]),
      'bytes of 10 MB': query('select md5($1::bytea) as md5', [Buffer.alloc(10_000_000, 7)]),
      'a row of 10 MB': query(`select repeat('ab', 5000000) as big`),
      'many rows': manyRows(options),
      settings: (target: Target) =>
        withClient(
          target,
          { ...options, application_name: 'Zoë', options: '-c work_mem=5MB' },
          async (client) => {
            const sql = `select current_setting('application_name') as name, current_setting('work_mem') as mem`;
            return (await client.query(sql)).rows;
          },
        ),
      prepared: (target: Target) =>
        withClient(target, options, async (client) => {
          const one = { name: 'one', text: 'select $1::int + 1 as n' };
          const first = await client.query({ ...one, values: [1] });
          const second = await client.query({ ...one, values: [2] });
          const { rows } = await client.query('select name, statement from pg_prepared_statements');
          return [first.rows, second.rows, rows];
        }),
      'many at once': (target: Target) =>
        withClient(target, options, async (client) => {
          const all = Array.from({ length: 100 }, (_, i) =>
            client.query('select $1::int as i', [i]),
          );
          return (await Promise.all(all)).map(({ rows }) => rows);
        }),
      'a transaction that failed': (target: Target) =>
        withClient(target, options, transactionFailed),
      'a notice': (target: Target) => withClient(target, options, noticed),
      copy: (target: Target) => withClient(target, options, copied),
      notify: (target: Target) => notified(target, options),
      cancel: (target: Target) => cancelled(target, options),
      'a wrong password': (target: Target) =>
        withClient(target, { ...options, password: 'wrong' }, entered),
    }).map(([name, work]) => [`${how}: ${name}`, work]),
  );
};

async function tlsOptions(target: Target): Promise<Readonly<Record<string, Options>>> {
  const [ca, other] = await Promise.all([
    readFile(target.certificate, 'utf8'),
    readFile(target.otherCertificate, 'utf8'),
  ]);
  const unverified = { rejectUnauthorized: false };
  return {
    disable: {},
    require: { ssl: unverified },
    'verify-full': { ssl: { ca } },
    'verify-full of another certificate': { ssl: { ca: other } },
    'TLS 1.2': { ssl: { ...unverified, maxVersion: 'TLSv1.2' as const } },
    'TLS 1.1': { ssl: { ...unverified, maxVersion: 'TLSv1.1' as const, minVersion: 'TLSv1' } },
    direct: { sslnegotiation: 'direct' as const, ssl: unverified },
  };
}

async function run(target: Target) {
  const ways = await tlsOptions(target);
  const logins = Object.entries(ways).flatMap(([way, options]) =>
    [false, true].map((enableChannelBinding) => {
      const name = `login: ${way}${enableChannelBinding ? ', channel binding' : ''}`;
      const all = { ...options, enableChannelBinding };
      return [name, (to: Target) => withClient(to, all, entered)] as const;
    }),
  );
  const bound = { ssl: { rejectUnauthorized: false }, enableChannelBinding: true };
  return runCases(
    {
      ...Object.fromEntries(logins),
      ...sessionCases('plain', {}),
      ...sessionCases('TLS', bound),
      ...sessionCases('direct TLS', ways['direct'] ?? {}),
    },
    target,
  );
}

export const nodePostgres: Driver = { name: 'node-postgres', run };
