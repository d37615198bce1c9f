/** Logins, wakes and sessions through the proxy, with the pg driver and a real Postgres. */
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ACCESS_AGAIN_MS, ACCESS_FRESH_MS } from '../../model/limits.ts';
import { ask, createStage, failureOf, leave, OTHER_PASSWORD, until, type Stage } from './stage.ts';

jest.setTimeout(30_000);

let stage: Stage;
beforeAll(async () => {
  stage = await createStage();
});
afterAll(() => stage.end());
beforeEach(() => {
  stage.api.calls.length = 0;
  stage.api.starts.length = 0;
});

const startsOf = (): number => stage.api.starts.length;

describe('a login', () => {
  test('wakes a sleeping database, says who asked, and gets its rows', async () => {
    await stage.sleep();
    const client = stage.client({ application_name: 'jest' });
    expect(await ask(client, 'select current_user || current_database()')).toBe('ownermain');
    expect(stage.api.starts.map(({ body }) => body)).toEqual([
      {
        cause: { role: 'owner', source: '127.0.0.1', application_name: 'jest' },
        priority: 'demand',
        wait: true,
      },
    ]);
  });

  test('to a running database asks the api for nothing but fresh access', async () => {
    await ask(stage.client(), 'select 1');
    stage.api.calls.length = 0;
    expect(await ask(stage.client(), 'select 1')).toBe(1);
    expect(stage.api.calls.filter((call) => !call.startsWith('access'))).toEqual([]);
  });

  test('takes either password of a rotation', async () => {
    expect(await ask(stage.client({ password: OTHER_PASSWORD }), 'select 1')).toBe(1);
  });

  test('is judged by what the api says now, though the salt was remembered', async () => {
    const before = stage.api.access.get(stage.database);
    if (before === undefined) throw new Error('no access');
    await ask(stage.client(), 'select 1');
    await new Promise((resolve) => setTimeout(resolve, ACCESS_FRESH_MS));
    const [first = ''] = before.roles['owner']?.verifiers ?? [];
    stage.api.access.set(stage.database, {
      ...before,
      version: 2,
      roles: { ...before.roles, owner: { verifiers: [first] } },
    });
    const other = stage.client({ password: OTHER_PASSWORD });
    expect(await failureOf(other.connect())).toMatchObject({ code: '28P01' });
    expect(await ask(stage.client(), 'select 1')).toBe(1);
    stage.api.access.set(stage.database, { ...before, version: 3 });
    expect(await ask(stage.client({ password: OTHER_PASSWORD }), 'select 1')).toBe(1);
  });

  test('takes a new password from the moment at which the api has it', async () => {
    const before = stage.api.access.get(stage.database);
    if (before === undefined) throw new Error('no access');
    const [first = '', second = ''] = before.roles['owner']?.verifiers ?? [];
    const set = (version: number, verifiers: string[]): void =>
      void stage.api.access.set(stage.database, {
        ...before,
        version,
        roles: { ...before.roles, owner: { verifiers } },
      });
    for (const round of [0, 1, 2, 3, 4]) {
      set(before.version + 1 + round * 2, [first]);
      // Whatever came before: now the entry without the second one is remembered, and fresh.
      await failureOf(stage.client({ password: `wrong ${round}` }).connect());
      expect(await ask(stage.client(), 'select 1')).toBe(1);
      set(before.version + 2 + round * 2, [first, second]);
      expect(await ask(stage.client({ password: OTHER_PASSWORD }), 'select 1')).toBe(1);
    }
  });

  test('with a false password costs the api no more calls however many there are', async () => {
    await ask(stage.client(), 'select 1');
    stage.api.calls.length = 0;
    const began = performance.now();
    const logins = Array.from({ length: 100 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n * 10));
      expect(await failureOf(stage.client({ password: 'wrong' }).connect())).toMatchObject({
        code: '28P01',
      });
    });
    await Promise.all(logins);
    const paced = Math.ceil((performance.now() - began) / ACCESS_AGAIN_MS) + 1;
    expect(stage.api.calls.length).toBeLessThanOrEqual(paced);
  });

  test('passes the other parameters on, and takes the database from options', async () => {
    const options = `endpoint=${stage.database} -c work_mem=5MB`;
    const client = stage.client({ database: 'postgres', options, application_name: 'Zoë' });
    const sql = `select current_database() || current_setting('work_mem')`;
    expect(await ask(client, sql)).toBe('postgres5MB');
  });

  test("shows Postgres' own refusal: no such inner database", async () => {
    const client = stage.client({ database: 'nowhere', options: `endpoint=${stage.database}` });
    expect(await failureOf(client.connect())).toMatchObject({ code: '3D000' });
  });

  test("shows Postgres' own refusal: the role's connection limit", async () => {
    const one = stage.client({ user: 'tight' });
    await one.connect();
    expect(await failureOf(stage.client({ user: 'tight' }).connect())).toMatchObject({
      code: '53300',
    });
    await one.end();
  });
});

describe('a wake', () => {
  test('of 50 clients at once is one start call, and all 50 are answered', async () => {
    await stage.sleep();
    const clients = Array.from({ length: 50 }, () => stage.client());
    const answers = await Promise.all(clients.map((client) => ask(client, 'select 1')));
    expect(answers).toEqual(Array.from({ length: 50 }, () => 1));
    expect(startsOf()).toBe(1);
  });

  test('of a database whose Postgres went away asks with the epoch that did not answer', async () => {
    await ask(stage.client(), 'select 1');
    const epoch = stage.epoch();
    await stage.tenant.stop('SIGQUIT');
    expect(await ask(stage.client(), 'select 1')).toBe(1);
    expect(stage.api.starts.map(({ body }) => body.stale_epoch)).toEqual([epoch]);
    expect(stage.epoch()).toBe(epoch + 1);
  });

  test('that its client does not wait for goes on, and the client is forgotten', async () => {
    await stage.sleep();
    const original = stage.api.onStart;
    let letGo = (): void => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    stage.api.onStart = async (database, body) => {
      await gate;
      return original(database, body);
    };
    try {
      const client = stage.client();
      const failed = failureOf(client.connect());
      await until(() => startsOf() === 1);
      expect(await stage.metrics()).toMatch(/proxy_held_clients\S* 1\n/);
      leave(client);
      await failed;
      await until(async () => /proxy_held_clients\S* 0\n/.test(await stage.metrics()));
    } finally {
      stage.api.onStart = original;
      letGo();
    }
    await until(() => stage.epoch() > 0);
    stage.api.calls.length = 0;
    expect(await ask(stage.client(), 'select 1')).toBe(1);
  });
});
