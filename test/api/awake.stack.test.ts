/** Who woke a database, who keeps it awake, and a source that wakes it for nothing. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { databaseDetail } from '../../contract/answers.ts';
import { connect, type Client } from '../../db/client.ts';
import type { CreateAnswer, DatabaseDetail } from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const { call: ask, stack } = operatedStack({ hosts: 1, warm: 0, slots: 'small=6' });

const call = <T>(path: string, body?: object): Promise<T> =>
  ask<T>(path, body === undefined ? {} : { body });
const create = (spec: object = {}) => call<CreateAnswer>('', { tenant: 'acme', ...spec });

async function get(id: string): Promise<DatabaseDetail> {
  const answer = await call<DatabaseDetail>(`/${id}`);
  expect(databaseDetail.safeParse(answer).error).toBeUndefined();
  return answer;
}

async function asleep(id: string): Promise<DatabaseDetail> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await get(id);
    if (found.state === 'suspended') return found;
    if (Date.now() > deadline) throw new Error(`${id} is still ${found.state}`);
    await pause(50);
  }
}

async function suspend(id: string): Promise<void> {
  const { epoch } = await get(id);
  await call(`/${id}/suspend`, { epoch });
}

const visit = (made: CreateAnswer, applicationName: string): Promise<Client> =>
  connect(made.connection_string, { applicationName, onError: () => undefined });

test('a start records its cause: in the answer, and in the event with the id of the request', async () => {
  const made = await create();
  await suspend(made.id);
  expect(await get(made.id)).toMatchObject({ state: 'suspended', awake: null });
  const client = await visit(made, 'reporter');
  await client.query('begin');
  const cause = { role: 'owner', application_name: 'reporter', source: '127.0.0.1' };
  const { awake, wakes } = await get(made.id);
  expect(awake).toMatchObject({ woken_by: cause, more: 0 });
  expect(awake?.sessions).toMatchObject([
    {
      role: 'owner',
      application_name: 'reporter',
      state: 'idle in transaction',
      ignored: false,
    },
  ]);
  expect(wakes[0]).toMatchObject({ cause, last_hour: 1, backed_off_until: null });
  await client.end();
  const sql = await connect(stack().endpoints.hot_url);
  const look = async () => {
    const text = `select cause, request_id from event
      where kind = 'started' and database_id = $1 and epoch = 2`;
    return (await sql.query(text, [made.id])).rows[0];
  };
  let found = await look();
  for (let i = 0; found === undefined && i < 200; i++) {
    await pause(50);
    found = await look();
  }
  await sql.end();
  expect(found).toEqual([cause, expect.stringMatching(/^[\w-]{8,}$/)]);
});

test("a session is shown with its client's address, also after its agent was killed", async () => {
  const made = await create();
  const first = await visit(made, 'first');
  const sources = async () => {
    const { awake } = await get(made.id);
    const of = (name: string) =>
      awake?.sessions?.find(({ application_name }) => application_name === name)?.source;
    return [of('first'), of('second')];
  };
  const until = async (wanted: readonly (string | undefined)[]) => {
    const deadline = Date.now() + 20_000;
    while (Date.now() < deadline && !isDeepStrictEqual(await sources(), wanted)) await pause(50);
    expect(await sources()).toEqual(wanted);
  };
  await until(['127.0.0.1', undefined]);
  expect(stack().kill('host-1', 'SIGKILL')).toBe(true);
  // The next news reaches an agent that has heard nothing of the first.
  const second = await visit(made, 'second');
  await until(['127.0.0.1', '127.0.0.1']);
  for (const client of [first, second]) await client.end();
}, 60_000);

test('who looks often asks no host, and a look keeps nothing awake', async () => {
  const made = await create({ idle_ms: 1_000 });
  expect(await call<DatabaseDetail>(`/${made.id}?awake=false`)).toMatchObject({ awake: null });
  // Looked at all the time by asleep(), and falls asleep all the same.
  await asleep(made.id);
});

test('a session of an ignored application does not keep it awake, and is shown as such', async () => {
  const made = await create({ idle_ms: 1_000, idle_sessions: 'keep', ignore: ['monitor'] });
  await suspend(made.id);
  const client = await visit(made, 'monitor');
  client.query('select pg_sleep(60)').catch(() => undefined);
  const { awake } = await get(made.id);
  expect(awake?.sessions).toMatchObject([{ application_name: 'monitor', ignored: true }]);
  await asleep(made.id);
  await client.end().catch(() => undefined);
});

test('a source that wakes it again and again and asks nothing is backed off, by name, and no other is', async () => {
  const made = await create({ idle_ms: 0 });
  const useful = await visit(made, 'people');
  await useful.query('select 1');
  await useful.end();
  await asleep(made.id);
  for (let run = 1; run <= 3; run++) {
    const client = await visit(made, 'pool');
    await client.end();
    await asleep(made.id);
  }
  await expect(visit(made, 'pool')).rejects.toMatchObject({
    code: '57P03',
    message: 'this source wakes the database and never uses it',
  });
  const { state, wakes } = await get(made.id);
  expect(state).toBe('suspended');
  const pool = wakes.find(({ cause }) => cause.application_name === 'pool');
  expect(pool?.idle_runs).toBeGreaterThanOrEqual(3);
  expect(Date.parse(pool?.backed_off_until ?? '')).toBeGreaterThan(Date.now());
  const people = await visit(made, 'people');
  await people.query('select 1');
  await people.end();
}, 60_000);
