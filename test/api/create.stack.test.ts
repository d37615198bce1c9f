/** Creates by a key: once, however often and whatever is away; and the password that nobody has got. */
import { expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { createAnswer } from '../../contract/answers.ts';
import { connect } from '../../db/client.ts';
import type { CreateAnswer, DatabaseDetail } from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const { stack, call, whileHotIsFrozen } = operatedStack({ hosts: 2, warm: 2, slots: 'small=8' });

async function create(key: string, spec: object = {}): Promise<CreateAnswer> {
  const answer = await call<CreateAnswer>('', {
    body: { tenant: 'acme', ...spec },
    headers: { 'idempotency-key': key },
    timeoutMs: 40_000,
  });
  expect(createAnswer.safeParse(answer).error).toBeUndefined();
  return answer;
}

const get = (id: string) => call<DatabaseDetail>(`/${id}`, { timeoutMs: 10_000 });

async function suspend(id: string): Promise<void> {
  const { epoch } = await get(id);
  await call(`/${id}/suspend`, { body: { epoch } });
}

async function login({ connection_string }: CreateAnswer): Promise<void> {
  const client = await connect(connection_string);
  await client.query('select 1');
  await client.end();
}

async function until<T>(look: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (holds(found)) return found;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(found)}`);
    await pause(50);
  }
}

test('a repeat answers the same database with a new password until somebody has logged in', async () => {
  const first = await create('a');
  const second = await create('a');
  expect(second).toMatchObject({ id: first.id, epoch: 1, cold_start: 'repeat' });
  expect(second.password).not.toBe(first.password);
  await expect(login(first)).rejects.toMatchObject({ code: '28P01' });
  await login(second);
  await expect(create('a')).rejects.toMatchObject({
    code: 'already_created',
    data: { id: first.id },
  });
  // It sleeps, and the volume remembers.
  await suspend(first.id);
  await expect(create('a')).rejects.toMatchObject({ code: 'already_created' });
  await login(second);
});

test('a database that has fallen asleep without a login is still to be had', async () => {
  const first = await create('b');
  await suspend(first.id);
  const second = await create('b');
  expect(second).toMatchObject({ id: first.id, cold_start: 'repeat' });
  await login(second);
  await expect(create('b')).rejects.toMatchObject({ code: 'already_created' });
});

test('the same key with another request is refused; the order of labels is no other request', async () => {
  const first = await create('c', { labels: { x: '1', y: '2' } });
  expect(await create('c', { labels: { y: '2', x: '1' } })).toMatchObject({ id: first.id });
  for (const spec of [{ labels: { x: '1' } }, { labels: { x: '1', y: '2' }, idle_ms: 7 }])
    await expect(create('c', spec)).rejects.toMatchObject({ code: 'key_reused' });
  const other = await create('c', { tenant: 'other', labels: { x: '1' } });
  expect(other.id).not.toBe(first.id);
});

test('of many at once with one key one makes it, and all that are answered name the same', async () => {
  /** As a client would: again while another one's create of this key is on its way. */
  async function insist(): Promise<CreateAnswer> {
    for (const deadline = Date.now() + 20_000; ; await pause(100))
      try {
        return await create('d');
      } catch (error) {
        if (!['held', 'identity_conflict'].includes((error as { code?: string }).code ?? ''))
          throw error;
        if (Date.now() > deadline) throw error;
      }
  }
  const all = await Promise.all(Array.from({ length: 8 }, insist));
  expect(new Set(all.map(({ id }) => id)).size).toBe(1);
  expect(all.filter((one) => one.cold_start !== 'repeat').length).toBeLessThanOrEqual(1);
});

test('looks at who is there are no login, however many look at once', async () => {
  const first = await create('g');
  for (let round = 0; round < 5; round++)
    await Promise.all(Array.from({ length: 10 }, () => get(first.id)));
  expect(await create('g')).toMatchObject({ id: first.id, cold_start: 'repeat' });
});

test('with the index away it is made by any agent, once, and used; the row appears when the index is back', async () => {
  const made: CreateAnswer[] = [];
  await whileHotIsFrozen(async () => {
    const [one, two] = [await create('e'), await create('e')];
    made.push(one, two);
    await expect(login(one)).rejects.toMatchObject({ code: '28P01' });
    await login(two);
    await login(await create('f'));
    await expect(create('e')).rejects.toMatchObject({ code: 'already_created' });
    // More than there are warm ones.
    const many = await Promise.all(['g1', 'g2', 'g3', 'g4', 'g5', 'g6'].map((key) => create(key)));
    expect(many.map(({ cold_start }) => cold_start)).toContain('clone');
    await Promise.all(many.map(login));
  });
  const [first, second] = made;
  if (first === undefined || second === undefined) throw new Error('BUG: nothing was made');
  expect(first).toMatchObject({ epoch: 1, cold_start: 'warm' });
  expect(second).toMatchObject({ id: first.id, cold_start: 'repeat' });
  const seen = await until(
    () => get(first.id).catch(() => undefined),
    (database) => database?.state === 'running',
  );
  expect(seen).toMatchObject({ tenant: 'acme', epoch: 1 });
  await login(second);
  await expect(create('e')).rejects.toMatchObject({ code: 'already_created' });
  const sql = await connect(stack().endpoints.hot_url);
  const { rows } = await sql.query(
    `select count(*) from event where kind = 'database_created' and database_id = $1`,
    [first.id],
  );
  await sql.end();
  expect(rows).toEqual([['1']]);
}, 120_000);
