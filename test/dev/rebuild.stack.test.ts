/**
 * `npm run rebuild` as a process, against an index that was restored from a backup and against one that is
 * new, while the stack serves. The tests follow one another on one stack.
 */
import { expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findLeakedSlots } from '../../bench/kills/slots.ts';
import { connect } from '../../db/client.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import type { CreateAnswer, DatabaseDetail, HostReport, PasswordAnswer } from '../../model/wire.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { hotLoss } from '../support/hot-loss.ts';
import { operatedStack } from '../support/operated-stack.ts';

jest.setTimeout(180_000);

const { stack, call } = operatedStack({ hosts: 2, warm: 1, slots: 'small=12' });
const { rowsOf, backUp, lose } = hotLoss(() => stack().endpoints.hot_url);

interface Ran {
  readonly code: number | null;
  readonly said: readonly string[];
  readonly last: Readonly<Record<string, number>>;
}

/** Its last line as figures. */
async function rebuild(settings: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/dev/rebuild.js')], {
    env: childEnvironment({ PILOTLIGHT_HOME: stack().endpoints.home, ...settings }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const said = text.trim().split('\n');
  const last = said.at(-1) ?? '';
  if (!last.startsWith('rebuild: ')) throw new Error(text);
  const figures = [...last.matchAll(/(\w+)=(\d+)/g)].map(([, name, n]) => [name, Number(n)]);
  return { code, said, last: Object.fromEntries(figures) as Ran['last'] };
}

const create = (tenant = 'acme'): Promise<CreateAnswer> =>
  call<CreateAnswer>('', { body: { tenant, idle_ms: 3_600_000 } });
const get = (id: string) => call<DatabaseDetail>(`/${id}?awake=false`);
const refused = (code: string) => expect.objectContaining({ code });

async function query(url: string, sql = 'select n from t'): Promise<unknown> {
  const client = await connect(url);
  try {
    return (await client.query(sql)).rows[0]?.[0];
  } finally {
    await client.end();
  }
}
const make = async (tenant?: string): Promise<CreateAnswer> => {
  const made = await create(tenant);
  await query(made.connection_string, 'create table t as select 1 as n');
  return made;
};

async function suspend(id: string): Promise<void> {
  await until(async () => (await get(id)).state === 'running');
  const { epoch } = await get(id);
  await call(`/${id}/suspend`, { body: { epoch } });
  await until(async () => (await get(id)).state === 'suspended');
}
async function cycle({ id, connection_string }: CreateAnswer): Promise<void> {
  await query(connection_string);
  await suspend(id);
}

async function until(holds: () => Promise<boolean>, ms = 20_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it has not come to that');
    await pause(50);
  }
}

const withPassword = (url: string, password: string): string => {
  const changed = new URL(url);
  changed.password = password;
  return changed.toString();
};
const replacePassword = async (id: string): Promise<string> =>
  (await call<PasswordAnswer>(`/${id}/password`, { body: { phase: 'replace' } })).password ?? '';
const allow = (id: string, blocks: readonly string[]) =>
  call(`/${id}`, { method: 'PATCH', body: { allow: blocks } });
const remove = (id: string) => call(`/${id}`, { method: 'DELETE' });

/** What the two agents run, by database. */
async function whatRuns(): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  for (const { url, token } of stack().endpoints.hosts) {
    const client = createJsonClient(token);
    const report = await client.call<HostReport>(`${url}/v1/state`, { timeoutMs: 5_000 });
    client.close();
    for (const { state, database, epoch } of report.slots)
      if (state === 'running' && database !== undefined) found[database] = epoch;
  }
  return found;
}

/** What a report of a host does not move. */
const ROWS = `select to_jsonb(d) - '{said_boot,said_version}'::text[] from database d order by id`;

/** Clients that go on and on; what they were refused. */
function goOn(all: readonly CreateAnswer[]): () => Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  let isOver = false;
  const one = async ({ connection_string: url, id }: CreateAnswer): Promise<void> => {
    while (!isOver) {
      await query(url).catch((error: unknown) => failures.push([id, Date.now(), String(error)]));
      await pause(100);
    }
  };
  const clients = all.map(one);
  return async () => {
    isOver = true;
    await Promise.all(clients);
    return failures;
  };
}

interface Fleet {
  readonly [name: string]: CreateAnswer;
}
let fleet: Fleet = {};
let changed = '';
const of = (name: string): CreateAnswer => {
  const found = fleet[name];
  if (found === undefined) throw new Error(`BUG: no ${name}`);
  return found;
};

/** What a rebuild must not undo, and what it must bring back. */
async function expectWhole(): Promise<void> {
  const runs = await whatRuns();
  for (const name of ['running', 'born']) {
    await until(async () => (await get(of(name).id)).state === 'running');
    expect(await get(of(name).id)).toMatchObject({ epoch: runs[of(name).id] });
  }
  expect(await get(of('asleep').id)).toMatchObject({ state: 'suspended', epoch: 4 });
  expect(await get(of('back').id)).toMatchObject({ state: 'suspended' });
  await expect(call(`/${of('gone').id}/start`, { body: {} })).rejects.toMatchObject({
    code: 'database_deleted',
  });
  // Longer than a proxy remembers.
  await pause(2_500);
  const { connection_string: old } = of('changed');
  await expect(query(old)).rejects.toEqual(refused('28P01'));
  expect(await query(withPassword(old, changed))).toBe(1);
  await expect(query(of('fenced').connection_string)).rejects.toEqual(refused('28000'));
  expect((await get(of('fenced').id)).allow).toEqual(['192.0.2.0/24']);
  await expect(query(of('gone').connection_string)).rejects.toEqual(refused('28P01'));
  for (const name of ['asleep', 'back', 'born', 'running'])
    expect(await query(of(name).connection_string)).toBe(1);
  await suspend(of('asleep').id);
  await suspend(of('back').id);
  expect(await findLeakedSlots(stack().endpoints)).toEqual([]);
}

test('an index that was restored from a backup learns what happened since, and no more', async () => {
  const names = ['running', 'asleep', 'changed', 'fenced', 'gone', 'back'];
  for (const name of names) fleet = { ...fleet, [name]: await make() };
  await suspend(of('asleep').id);
  await suspend(of('back').id);
  await remove(of('back').id);
  await rowsOf(`insert into tenant values ('beta', now(), '{"running": 7}')`);
  const restore = await backUp();
  const [[generation] = []] = await rowsOf('select id::text from generation');

  changed = await replacePassword(of('changed').id);
  await allow(of('fenced').id, ['192.0.2.0/24']);
  await remove(of('gone').id);
  await call(`/${of('back').id}/undelete`, { body: {} });
  for (let times = 0; times < 2; times++) await cycle(of('asleep'));
  fleet = { ...fleet, born: await make('beta') };
  const [[databases] = []] = await rowsOf(`select databases from tenant where name = 'acme'`);
  await restore();

  const served = goOn([of('running')]);
  const { code, last, said } = await rebuild();
  expect(said.filter((line) => line.includes('missing: 0'))).toHaveLength(1);
  expect({ code, last }).toEqual({
    code: 0,
    last: { databases: 6, tenants: 2, running: 4, deleted: 1, raised: 1, unreachable: 0 },
  });
  const [[now] = []] = await rowsOf('select id::text from generation');
  expect(now).not.toBe(generation);
  expect(await served()).toEqual([]);
  await until(async () => !(await get(of('asleep').id)).stale);
  const raised = await get(of('asleep').id);
  expect(raised).toMatchObject({ state: 'suspended', epoch: 3 });
  await cycle(of('asleep'));
  await expectWhole();
  expect(await rowsOf(`select databases from tenant where name = 'acme'`)).toEqual([[databases]]);
});

test('an index that is new and empty is made of hosts and volume, while clients are served', async () => {
  const sleeping = of('back');
  const before = await whatRuns();
  await lose();
  const served = goOn([of('running'), of('born')]);
  // Without a schema it is away: a sleeping one is woken by the volume.
  expect(await query(sleeping.connection_string)).toBe(1);
  const { code, last } = await rebuild();
  expect({ code, last }).toMatchObject({
    code: 0,
    last: { databases: 6, tenants: 2, deleted: 1, unreachable: 0 },
  });
  expect(await served()).toEqual([]);
  expect(await whatRuns()).toMatchObject(before);
  expect(await rowsOf(`select limits from tenant where name = 'beta'`)).toEqual([[{ running: 7 }]]);
  await suspend(sleeping.id);
  const [[asleep] = []] = await rowsOf(
    `select epoch from database where id = '${of('asleep').id}'`,
  );
  expect(Number(asleep)).toBe(5);
});

test('another time changes nothing', async () => {
  const [generation, rows] = [await rowsOf('select id from generation'), await rowsOf(ROWS)];
  const { code, last } = await rebuild();
  expect({ code, last }).toMatchObject({ code: 0, last: { databases: 6, raised: 0 } });
  expect(await rowsOf('select id from generation')).toEqual(generation);
  expect(await rowsOf(ROWS)).toEqual(rows);
});

test('with a host down it says so, and the rest is whole; the host is heard when it is back', async () => {
  await lose();
  expect(await stack().hold('host-2')).toBe(true);
  try {
    const { code, last, said } = await rebuild();
    expect(said).toContainEqual(
      expect.stringMatching(/^host-2 does not answer: its volume was read/),
    );
    expect({ code, last }).toMatchObject({ code: 0, last: { databases: 6, unreachable: 1 } });
    expect(await query(of('asleep').connection_string)).toBe(1);
  } finally {
    await stack().release('host-2');
  }
  await until(() =>
    whatRuns().then(
      () => true,
      () => false,
    ),
  );
  expect(await findLeakedSlots(stack().endpoints)).toEqual([]);
});

test('what a volume lacks or nobody can read is missing, and the exit code says so', async () => {
  const [one] = stack().endpoints.hosts;
  await rowsOf(
    `insert into database select (jsonb_populate_record(d, '{"id": "db-aaaaaaaaaaaaaaaaaaaa"}')).*
       from database d limit 1`,
  );
  const settings = {
    PILOTLIGHT_HOSTS: `${one?.id}=${one?.url},host-9=http://127.0.0.1:1`,
    PILOTLIGHT_AGENT_TOKEN: one?.token ?? '',
    PILOTLIGHT_HOT_URL: stack().endpoints.hot_url,
  };
  const { code, said, last } = await rebuild(settings);
  expect(said).toContainEqual(expect.stringMatching(/document of db-aaaaaaaaaaaaaaaaaaaa/));
  expect(said).toContainEqual(expect.stringMatching(/^host-9 does not answer, and nobody else/));
  expect({ code, last }).toMatchObject({ code: 1, last: { unreachable: 1 } });
  expect(said).toContainEqual(expect.stringMatching(/missing: 2$/));
});
