/** The verbs of customers and operators against a real stack; each answer is held against the contract. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ANSWERS } from '../../contract/answers.ts';
import { connect } from '../../db/client.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { JsonClient } from '../../lib/json-client.ts';
import { hashToken } from '../../lib/tokens.ts';
import type { Caller } from '../../lib/callers.ts';
import type {
  CreateAnswer,
  DatabaseAnswer,
  PasswordAnswer,
  SuspendAnswer,
} from '../../model/wire.ts';

let stack: Stack;
let operator: JsonClient;
let acme: JsonClient;
let other: JsonClient;

const MARK = 'marked-in-every-log-0001';

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** Calls a route, and holds its answer against the contract. */
async function call<T>(
  client: JsonClient,
  method: Method,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const answer = await client.call<T>(`${stack.endpoints.api.url}/v1${path}`, {
    method,
    timeoutMs: 30_000,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const route = path.replace(/\/db-[a-z2-7]+/, '/:id').replace(/\?.*$/, '');
  const schema = ANSWERS[`${method.toLowerCase()} /v1${route}`];
  expect(schema?.safeParse(answer).error).toBeUndefined();
  return answer;
}

const create = (client: JsonClient, spec: object = {}, key?: string) =>
  call<CreateAnswer>(
    client,
    'POST',
    '/databases',
    { tenant: 'acme', ...spec },
    key === undefined ? {} : { 'idempotency-key': key },
  );
const get = (client: JsonClient, id: string) =>
  call<DatabaseAnswer>(client, 'GET', `/databases/${id}`);

async function sleep(id: string): Promise<void> {
  const { epoch, state } = await get(operator, id);
  if (state === 'suspended') return;
  await call<SuspendAnswer>(operator, 'POST', `/databases/${id}/suspend`, { epoch });
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  return response.text();
}

async function callersInclude(...callers: readonly Caller[]): Promise<void> {
  const path = join(stack.endpoints.home, 'callers.json');
  const file = JSON.parse(await readFile(path, 'utf8')) as { callers: Caller[] };
  await writeFile(path, JSON.stringify({ callers: [...file.callers, ...callers] }));
}

beforeAll(async () => {
  stack = await startTemporaryStack({
    say: () => undefined,
    hosts: 2,
    warm: 1,
    settings: { PILOTLIGHT_SLOTS: 'small=6,medium=2' },
  });
  operator = createJsonClient(stack.endpoints.api.tokens['operator'] ?? '');
  acme = createJsonClient('token of acme');
  other = createJsonClient('token of other');
  const bound = (name: string): Caller => ({
    name,
    scopes: ['create', 'operator'],
    tenants: [name],
    sha256: [hashToken(`token of ${name}`)],
  });
  await callersInclude(bound('acme'), bound('other'));
  // The file is looked at every second.
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      await call(other, 'GET', '/databases');
      break;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}, 60_000);
afterAll(async () => {
  for (const client of [operator, acme, other]) client.close();
  await stack.stop();
});

describe('a caller that is bound to a tenant', () => {
  test('makes and sees databases of that tenant only', async () => {
    const { id } = await create(acme);
    expect(await get(acme, id)).toMatchObject({ id, tenant: 'acme' });
    await expect(create(acme, { tenant: 'other' })).rejects.toMatchObject({ code: 'forbidden' });
    const listed = await call<{ databases: DatabaseAnswer[] }>(acme, 'GET', '/databases');
    expect(new Set(listed.databases.map(({ tenant }) => tenant))).toEqual(new Set(['acme']));
    for (const query of ['', '?tenant=acme']) {
      const seen = await call<{ databases: unknown[] }>(other, 'GET', `/databases${query}`);
      expect(seen.databases).toEqual([]);
    }
    await call(operator, 'DELETE', `/databases/${id}`);
  });

  test('can not tell the database of another from one that does not exist', async () => {
    const { id } = await create(operator);
    const calls: [Method, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { idle_ms: 1 }],
      ['DELETE', ''],
      ['POST', '/restart'],
      ['POST', '/password'],
    ];
    for (const [method, path, body] of calls)
      for (const name of [id, 'db-aaaaaaaaaaaaaaaaaaaa'])
        await expect(call(other, method, `/databases/${name}${path}`, body)).rejects.toMatchObject({
          code: 'database_not_found',
        });
    expect(await get(operator, id)).toMatchObject({ state: 'running' });
    await call(operator, 'DELETE', `/databases/${id}`);
  });
});

describe('a list', () => {
  test('is paged by key and filtered by tenant, state and label', async () => {
    const labels = { team: 'blue=ish' };
    const made = [
      await create(operator, { tenant: 'paged', labels }),
      await create(operator, { tenant: 'paged' }),
      await create(operator, { tenant: 'paged', labels }),
    ].map(({ id }) => id);
    await sleep(made[0] ?? '');
    const list = async (query: string) => {
      type Page = { databases: DatabaseAnswer[]; next: string | null };
      const page = await call<Page>(operator, 'GET', `/databases?tenant=paged${query}`);
      return { ids: page.databases.map(({ id }) => id), next: page.next };
    };
    const sorted = made.toSorted();
    expect(await list('')).toEqual({ ids: sorted, next: null });
    expect(await list('&limit=2')).toEqual({ ids: sorted.slice(0, 2), next: sorted[1] });
    expect(await list(`&limit=2&after=${sorted[1]}`)).toEqual({ ids: sorted.slice(2), next: null });
    expect((await list('&state=suspended')).ids).toEqual([made[0]]);
    expect((await list('&label=team%3Dblue%3Dish')).ids).toEqual(
      sorted.filter((id) => id !== made[1]),
    );
    await expect(list('&state=asleep')).rejects.toMatchObject({ code: 'bad_request' });
    for (const id of made) await call(operator, 'DELETE', `/databases/${id}`);
  });
});

describe('a change', () => {
  test('is in the identity document first, its version greater, and then in the index', async () => {
    const { id } = await create(operator);
    const document = async () => {
      const path = join(stack.endpoints.volume, 'databases', id, 'identity.json');
      return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    };
    expect(await document()).toMatchObject({ version: 1, idle_ms: 300_000 });
    const change = { idle_ms: 0, allow: ['127.0.0.0/8'], tls: 'optional', labels: { a: 'b' } };
    expect(await call(operator, 'PATCH', `/databases/${id}`, change)).toMatchObject(change);
    expect(await document()).toMatchObject({ version: 2, ...change });
    expect(await get(operator, id)).toMatchObject(change);
    await call(operator, 'DELETE', `/databases/${id}`);
    await expect(call(operator, 'PATCH', `/databases/${id}`, { idle_ms: 1 })).rejects.toMatchObject(
      { code: 'database_deleted' },
    );
  });

  test('of the size holds from the next start, which a restart makes', async () => {
    const { id } = await create(operator);
    await call(operator, 'PATCH', `/databases/${id}`, { size: 'medium' });
    const slotOf = async () => {
      const sql = await connect(stack.endpoints.hot_url);
      const text = 'select size, epoch from assignment where database_id = $1';
      const { rows } = await sql.query(text, [id]);
      await sql.end();
      return rows[0];
    };
    expect(await slotOf()).toEqual(['small', '1']);
    expect(await call(acme, 'POST', `/databases/${id}/restart`)).toMatchObject({
      state: 'running',
      epoch: 2,
      cold_start: 'resume',
    });
    expect(await slotOf()).toEqual(['medium', '2']);
    expect(await get(operator, id)).toMatchObject({ size: 'medium', epoch: 2 });
    await sleep(id);
    // Of what sleeps the next start is a fresh one anyway.
    expect(await call(operator, 'POST', `/databases/${id}/restart`)).toEqual({
      state: 'suspended',
      epoch: 2,
    });
    await call(operator, 'DELETE', `/databases/${id}`);
  });
});

describe('a password', () => {
  test('in the place of the old one lets in, and the old one does not', async () => {
    const { id, password: old, connection_string } = await create(operator);
    const login = async (password: string | undefined) => {
      const client = await connect(connection_string.replace(old, password ?? ''));
      const { rows } = await client.query('select current_user');
      await client.end();
      return rows[0]?.[0];
    };
    expect(await login(old)).toBe('owner');
    const { password } = await call<PasswordAnswer>(acme, 'POST', `/databases/${id}/password`);
    expect(await login(password)).toBe('owner');
    await expect(login(old)).rejects.toMatchObject({ code: '28P01' });
    await expect(
      call(acme, 'POST', `/databases/${id}/password`, { role: 'nobody' }),
    ).rejects.toMatchObject({ code: 'bad_request' });
    await call(operator, 'DELETE', `/databases/${id}`);
  });
});

describe('the metrics', () => {
  test('tell the time of each verb by how it was served, of the index by statement, and who is behind', async () => {
    const { id } = await create(operator);
    await sleep(id);
    await call(operator, 'POST', `/databases/${id}/start`);
    await call(operator, 'DELETE', `/databases/${id}`);
    const api = await textOf(`${stack.endpoints.api.url}/metrics`);
    const answered = (route: string, kind: string): RegExp =>
      new RegExp(
        `request_seconds_count{(?=[^}]*cold_start="${kind}")(?=[^}]*route="[^"]*${route}")`,
      );
    expect(api).toMatch(answered('/start', 'resume'));
    expect(api).toMatch(answered('/v1/databases', '(warm|clone)'));
    expect(api).toMatch(/index_seconds_count\{[^}]*statement="database-start"/);
    const agent = await textOf(`${stack.endpoints.hosts[0]?.url}/metrics`);
    expect(agent).toMatch(/host_event_backlog\{[^}]*\} \d/);
    expect(agent).toMatch(/host_report_age_seconds\{[^}]*api="[^"]+"/);
  });
});

describe('a request id', () => {
  test('of the caller is in the logs of api and agent, and no password or token ever is', async () => {
    const { id, password } = await call<CreateAnswer>(
      operator,
      'POST',
      '/databases',
      { tenant: 'acme' },
      { 'x-request-id': MARK },
    );
    await call(operator, 'DELETE', `/databases/${id}`);
    await expect(
      call(operator, 'POST', `/databases/${id}/start`, {}, { 'x-request-id': MARK }),
    ).rejects.toMatchObject({ code: 'database_deleted' });
    const read = (name: string) => readFile(join(stack.endpoints.home, `logs/${name}.log`), 'utf8');
    const api = await read('api');
    expect(api).toContain(MARK);
    const agents = `${await read('host-1')}${await read('host-2')}`;
    for (const secret of [password, 'token of acme', ...Object.values(stack.endpoints.api.tokens)])
      expect(`${api}${agents}`).not.toContain(secret);
  });
});
