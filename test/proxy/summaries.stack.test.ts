/** Sessions and refusals of a real stack, in the event feed: who, how many, how much, and how they ended. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import type { CreateAnswer, DatabaseDetail } from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const { stack, call } = operatedStack({ hosts: 1, warm: 1, slots: 'small=6' });

interface Row {
  readonly cause: { readonly role?: string; readonly application_name?: string };
  readonly sessions: { readonly ended: string; readonly count: number; readonly bytes_out: number };
  readonly tenant: string;
  readonly epoch: number;
}

async function visit(made: CreateAnswer, applicationName: string, password?: string) {
  const url = new URL(made.connection_string);
  if (password !== undefined) url.password = password;
  const client = await connect(url.toString(), { applicationName });
  await client.query('select repeat($1, 1000)', ['x']);
  await client.end();
}

async function summariesOf(id: string): Promise<Row[]> {
  const sql = await connect(stack().endpoints.hot_url);
  try {
    const text = `select cause, sessions, tenant, epoch from event
      where kind = 'sessions' and database_id = $1 order by id`;
    const { rows } = await sql.query(text, [id]);
    return rows.map(([cause, sessions, tenant, epoch]) => ({
      ...{ cause, sessions, tenant, epoch: Number(epoch) },
    })) as Row[];
  } finally {
    await sql.end();
  }
}

async function until(id: string, isThere: (rows: readonly Row[]) => boolean): Promise<Row[]> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    const rows = await summariesOf(id).catch(() => []);
    if (isThere(rows)) return rows;
    if (Date.now() > deadline) throw new Error(`only ${JSON.stringify(rows)}`);
    await pause(200);
  }
}

const counted = (rows: readonly Row[], ended: string, application?: string): number =>
  rows
    .filter(({ sessions, cause }) =>
      [sessions.ended === ended, cause.application_name === application].every(Boolean),
    )
    .reduce((sum, { sessions }) => sum + sessions.count, 0);

test('sessions that ended alike are one summary, and refused logins name nobody', async () => {
  const made = await call<CreateAnswer>('', { body: { tenant: 'acme' } });
  for (let n = 0; n < 3; n++) await visit(made, 'reporter');
  // Postgres cuts such a name as well; a start must not fail for it, nor half a character hold up all events.
  const { epoch } = await call<DatabaseDetail>(`/${made.id}`);
  await call(`/${made.id}/suspend`, { body: { epoch } });
  await visit(made, `${'n'.repeat(62)}${'\u{1f600}'.repeat(200)}`);
  await expect(visit(made, 'reporter', 'wrong')).rejects.toMatchObject({ code: '28P01' });
  const rows = await until(made.id, (found) => counted(found, 'login_refused') === 1);
  expect(counted(rows, 'client', 'reporter')).toBe(3);
  expect(counted(rows, 'client', 'n'.repeat(62))).toBe(1);
  const [first] = rows;
  expect(first).toMatchObject({
    cause: { role: 'owner', application_name: 'reporter', source: '127.0.0.1' },
    sessions: { ended: 'client' },
    tenant: 'acme',
    epoch: 1,
  });
  expect(rows.length).toBeLessThan(5);
  expect(first?.sessions.bytes_out).toBeGreaterThan(1_000 * (first?.sessions.count ?? 0));
  const refused = rows.find(({ sessions }) => sessions.ended === 'login_refused');
  expect(refused?.cause).toEqual({ source: '127.0.0.1' });
}, 60_000);

test('what ended while hot Postgres and the proxy went away is there afterwards, once', async () => {
  const made = await call<CreateAnswer>('', { body: { tenant: 'acme' } });
  await visit(made, 'before');
  await until(made.id, (rows) => counted(rows, 'client', 'before') === 1);
  for (const name of ['hot', 'api']) expect(stack().kill(name, 'SIGKILL')).toBe(true);
  await visit(made, 'meanwhile');
  // A proxy that is told to stop says first what it knows.
  expect(stack().kill('proxy', 'SIGTERM')).toBe(true);
  await until(made.id, (rows) => counted(rows, 'client', 'meanwhile') > 0);
  await pause(1_000);
  const rows = await summariesOf(made.id);
  for (const name of ['before', 'meanwhile']) expect(counted(rows, 'client', name)).toBe(1);
}, 60_000);
