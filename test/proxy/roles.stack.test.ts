/** Roles and passwords of SQL: what a session has committed holds for the next login, awake or asleep. */
import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, postgresErrorOf } from '../../db/client.ts';
import { loadSecrets } from '../../dev/secrets.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { Identity } from '../../model/identity.ts';
import type { CreateAnswer, DatabaseDetail, PasswordAnswer } from '../../model/wire.ts';
import { operatedStack } from '../support/operated-stack.ts';

const { stack, call } = operatedStack({ hosts: 2, warm: 2, slots: 'small=8' });

const create = () => call<CreateAnswer>('', { body: { tenant: 'acme', idle_ms: 3_600_000 } });
const detail = (id: string) => call<DatabaseDetail>(`/${id}?awake=false`);

async function sleep(id: string): Promise<void> {
  const { epoch } = await detail(id);
  expect(await call(`/${id}/suspend`, { body: { epoch } })).toEqual({ outcome: 'suspended' });
}

async function run({ connection_string: url }: { connection_string: string }, ...sql: string[]) {
  const client = await connect(url);
  try {
    for (const text of sql) await client.query(text);
  } finally {
    await client.end();
  }
}

function as(made: CreateAnswer, role: string, password: string): { connection_string: string } {
  const url = new URL(made.connection_string);
  Object.assign(url, { username: role, password });
  return { connection_string: url.toString() };
}

/** `in`, or the SQLSTATE of the refusal. */
const login = (made: CreateAnswer, role: string, password: string): Promise<string> =>
  run(as(made, role, password), 'select 1').then(
    () => 'in',
    (error: unknown) => postgresErrorOf(error)?.code ?? String(error),
  );

test('a role of SQL logs in as soon as it is made, and not when it is dropped', async () => {
  const made = await create();
  expect(await login(made, 'app', 'first')).toBe('28P01');
  await run(made, `create role app login password 'first'`);
  expect(await login(made, 'app', 'first')).toBe('in');
  expect(await login(made, 'app', 'other')).toBe('28P01');
  await sleep(made.id);
  expect(await login(made, 'app', 'first')).toBe('in');
  await run(made, 'drop role app');
  expect(await login(made, 'app', 'first')).toBe('28P01');
  await run(made, `create role app login password 'second'`, 'drop role app');
  await sleep(made.id);
  expect(await login(made, 'app', 'second')).toBe('28P01');
  expect((await detail(made.id)).state).toBe('suspended');
});

test('a password of SQL takes the place of the other at once, also where the database sleeps then', async () => {
  const made = await create();
  const old = new URL(made.connection_string).password;
  await run(made, `alter role owner password 'second'`);
  expect(await login(made, 'owner', old)).toBe('28P01');
  const changed = { ...made, ...as(made, 'owner', 'second') };
  // Nobody logs in between the change and the sleep.
  await run(changed, `alter role owner password 'third'`);
  await sleep(made.id);
  expect(await login(made, 'owner', 'third')).toBe('in');
  await run({ ...made, ...as(made, 'owner', 'third') }, `alter role owner password 'fourth'`);
  await sleep(made.id);
  expect(await login(made, 'owner', 'third')).toBe('28P01');
  expect((await detail(made.id)).state).toBe('suspended');
});

test('a rotation by the api stays, though SQL has set the password before', async () => {
  const made = await create();
  // Nobody logs in between: the api's is the later one all the same.
  await run(made, `alter role owner password 'of SQL'`);
  const body = { role: 'owner', phase: 'replace' };
  const { password = '' } = await call<PasswordAnswer>(`/${made.id}/password`, { body });
  for (let n = 0; n < 2; n++) {
    expect(await login(made, 'owner', password)).toBe('in');
    expect(await login(made, 'owner', 'of SQL')).toBe('28P01');
    await sleep(made.id);
  }
});

test('a role that may not log in, or not any more, is kept out without a wake', async () => {
  const made = await create();
  await run(
    made,
    `create role closed nologin password 'right'`,
    `create role past login password 'right' valid until '2020-01-01'`,
    `create role future login password 'right' valid until '2999-01-01'`,
    `create role bare login`,
  );
  await sleep(made.id);
  expect(await login(made, 'closed', 'wrong')).toBe('28P01');
  expect(await login(made, 'closed', 'right')).toBe('28000');
  expect(await login(made, 'past', 'right')).toBe('28P01');
  expect(await login(made, 'bare', 'x')).toBe('28P01');
  expect((await detail(made.id)).state).toBe('suspended');
  expect(await login(made, 'future', 'right')).toBe('in');
  await run(made, 'alter role closed login', 'alter role future nologin');
  expect(await login(made, 'closed', 'right')).toBe('in');
  expect(await login(made, 'future', 'right')).toBe('28000');
});

test('what a session says holds for the next, though the database falls asleep between the two', async () => {
  const made = await create();
  await call(`/${made.id}`, { method: 'PATCH', body: { idle_ms: 0 } });
  const old = new URL(made.connection_string).password;
  let password = old;
  for (let n = 0; n < 8; n++) {
    await run({ ...made, ...as(made, 'owner', password) }, `alter role owner password 'n${n}'`);
    // At whichever moment of the suspend.
    await pause(n * 12);
    expect(await login(made, 'owner', password)).toBe('28P01');
    password = `n${n}`;
    expect(await login(made, 'owner', password)).toBe('in');
  }
}, 60_000);

test('many logins at once, while the password changes, have one or the other', async () => {
  const made = await create();
  const url = { ...made, ...as(made, 'owner', 'n0') };
  await run(made, `alter role owner password 'n0'`);
  for (let n = 1; n <= 5; n++) {
    const before = Array.from({ length: 5 }, () => login(made, 'owner', `n${n - 1}`));
    await Promise.all(before).then((all) => expect(new Set(all)).toEqual(new Set(['in'])));
    await run({ ...url, ...as(made, 'owner', `n${n - 1}`) }, `alter role owner password 'n${n}'`);
    const after = [n, n - 1].flatMap((k) =>
      Array.from({ length: 5 }, () => login(made, 'owner', `n${k}`)),
    );
    const said = await Promise.all(after);
    expect(said).toEqual([...Array<string>(5).fill('in'), ...Array<string>(5).fill('28P01')]);
  }
});

test('a silent agent keeps nobody out', async () => {
  const made = await create();
  await run(made, 'select 1');
  const { host } = await detail(made.id);
  const agent = stack().endpoints.processes[host ?? ''] ?? 0;
  expect(agent).toBeGreaterThan(1);
  process.kill(agent, 'SIGSTOP');
  try {
    const began = performance.now();
    for (let n = 0; n < 5; n++) await run(made, 'select 1');
    // It is waited for once.
    expect(performance.now() - began).toBeLessThan(1_500);
  } finally {
    process.kill(agent, 'SIGCONT');
  }
});

test('what SQL said before a crash is taken when it runs again, before anybody logs in', async () => {
  const made = await create();
  const client = await connect(made.connection_string, { onError: () => undefined });
  await client.query(`create role app login password 'a'`);
  const { rows } = await client.query('select pg_backend_pid()');
  const { home, hosts } = stack().endpoints;
  const secrets = await loadSecrets(join(home, 'secrets.json'));
  const agents = createJsonClient(secrets.agent_token_operator);
  const rolesOf = async () => {
    const url = `${hosts[0]?.url}/v1/identity/${made.id}`;
    return Object.keys((await agents.call<Identity>(url, { timeoutMs: 5_000 })).roles);
  };
  expect(await rolesOf()).toEqual(['owner']);
  process.kill(Number(rows[0]?.[0]), 'SIGKILL');
  await client.end().catch(() => undefined);
  const comes = async (holds: () => Promise<boolean>): Promise<void> => {
    const deadline = performance.now() + 15_000;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error('it does not come');
      await pause(50);
    }
  };
  await comes(async () => (await rolesOf()).includes('app'));
  agents.close();
  // The apis hear of it, and of the new run, a moment later.
  await comes(async () => (await login(made, 'app', 'a')) === 'in');
});
