import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import type { Identity } from '../../model/identity.ts';
import type { AgentSuspendAnswer, Incarnation } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  query,
  session,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let host: Host;

beforeAll(async () => {
  stage = await createStage();
  host = await stage.startHost({ slots: 'small=20' });
});

afterAll(() => stage.remove());

const suspend = (database: string, epoch: number, ifIdle: boolean): Promise<AgentSuspendAnswer> =>
  host.post('suspend', { database, epoch, if_idle: ifIdle });

let slots = 0;
async function make(over: Partial<Identity> = {}): Promise<Incarnation> {
  return host.create(newDatabase(), ++slots, over);
}

const runs = async (database: string): Promise<boolean> =>
  (await host.state()).slots.some((slot) => slot.database === database);

describe('a suspend that was asked for', () => {
  it('ends the epoch that it names, and no other', async () => {
    const { database, directory } = await make();
    expect((await suspend(database, 2, false)).outcome).toBe('not_current');
    expect(await stage.processes(directory)).not.toEqual([]);
    expect((await suspend(database, 1, false)).outcome).toBe('suspended');
    expect(await stage.processes(directory)).toEqual([]);
    expect((await suspend(database, 1, false)).outcome).toBe('not_current');
    expect(await runs(database)).toBe(false);
  });

  it('lets a wake that comes meanwhile wait, and loses neither', async () => {
    const { database } = await make();
    const [stopped, woken] = await Promise.all([
      suspend(database, 1, false),
      host.attach(database, 2, slots),
    ]);
    expect(stopped.outcome).toBe('suspended');
    expect(await query(woken.address, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it.each([
    [
      'a statement',
      (client: pg.Client): Promise<unknown> => {
        client.query('select pg_sleep(30)').catch(() => undefined);
        return Promise.resolve();
      },
    ],
    ['a transaction', (client: pg.Client): Promise<unknown> => client.query('begin')],
  ])('finds %s at work, keeps it, and opens the door again', async (_, work) => {
    const made = await make({ idle_ms: 0 });
    const client = await session(made.address);
    await work(client);
    await until('it is seen', async () => {
      const text = `select count(*)::int as n from pg_stat_activity
        where state like 'active' and query like '%pg_sleep%' or state = 'idle in transaction'`;
      const other = await session(made.address, 'pilot');
      const { rows } = await other.query<{ n: number }>(text);
      await other.end();
      return (rows[0]?.n ?? 0) > 0;
    });
    expect((await suspend(made.database, 1, true)).outcome).toBe('busy');
    expect(await query(made.address, 'select 1 as one')).toEqual([{ one: 1 }]);
    await client.end().catch(() => undefined);
    await suspend(made.database, 1, false);
  });

  it('closes idle sessions or keeps them, as the database wants it', async () => {
    const close = await make({ idle_ms: 0, idle_sessions: 'close' });
    const keep = await make({ idle_ms: 0, idle_sessions: 'keep' });
    const [closed, kept] = await Promise.all([session(close.address), session(keep.address)]);
    // Just in, and so at work; some time later it only sits there.
    expect((await suspend(close.database, 1, true)).outcome).toBe('busy');
    await until('it is suspended', async () => {
      const { outcome } = await suspend(close.database, 1, true);
      return outcome === 'suspended';
    });
    expect((await suspend(keep.database, 1, true)).outcome).toBe('busy');
    expect((await kept.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await kept.end();
    await closed.end().catch(() => undefined);
  });

  it('never lets a session in that it then throws out', async () => {
    const made = await make({ idle_ms: 0 });
    let epoch = 1;
    let broken = 0;
    let entered = 0;
    let ending = false;
    let { address } = made;
    async function knock(): Promise<void> {
      while (!ending) {
        let client: pg.Client;
        try {
          client = await session(address);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 1));
          continue;
        }
        try {
          await client.query('select 1');
          entered += 1;
          await client.end();
        } catch {
          broken += 1;
        }
        // On a busy machine one of the two would be inside at every look.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    const knocking = Promise.all([knock(), knock()]);
    const givenUp = performance.now() + 40_000;
    for (let rounds = 0; (rounds < 25 || epoch <= 4) && performance.now() < givenUp; rounds++) {
      const { outcome } = await suspend(made.database, epoch, true);
      if (outcome === 'suspended')
        ({ address, epoch } = await host.attach(made.database, epoch + 1, slots));
    }
    ending = true;
    await knocking;
    expect(entered).toBeGreaterThan(0);
    expect(epoch).toBeGreaterThan(4);
    expect(broken).toBe(0);
  });
});

describe("the agent's own timer", () => {
  it('suspends what nobody is connected to, and journals why', async () => {
    const { database, directory, address } = await make({ idle_ms: 3_000 });
    await query(address, 'create table t (n int)');
    const begun = performance.now();
    await until('it sleeps', async () => (await stage.processes(directory)).length === 0);
    expect(performance.now() - begun).toBeGreaterThan(2_900);
    const events = await until('it is journaled', async () => {
      const found = await stage.events('host-1');
      const own = found.filter((e) => e.database === database && e.kind === 'suspended');
      return own.length > 0 && own;
    });
    expect(events).toMatchObject([{ epoch: 1, reason: 'idle' }]);
  });

  it('leaves alone what works, and counts from its end', async () => {
    const { database, address } = await make({ idle_ms: 1_500 });
    const client = await session(address);
    await client.query('select pg_sleep(5)');
    expect(await runs(database)).toBe(true);
    const begun = performance.now();
    await until('it sleeps', async () => !(await runs(database)));
    expect(performance.now() - begun).toBeLessThan(6_000);
    await client.end().catch(() => undefined);
  });

  it('does not count an application that is to be ignored', async () => {
    const made = await make({ idle_ms: 2_000, ignore: ['monitor'] });
    const client = await session(made.address);
    await client.query("set application_name = 'monitor'");
    let asking = true;
    const poll = (async () => {
      while (asking) {
        await client.query('select 1').catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    await until('it sleeps', async () => !(await runs(made.database)));
    asking = false;
    await poll;
    await client.end().catch(() => undefined);
  });

  it('ends what has been deleted', async () => {
    const { database } = await make();
    const document = await host.get<Identity>(`/v1/identity/${database}`);
    await host.put(`/v1/identity/${database}`, {
      expected_version: 1,
      document: { ...document, deleted_at: '2026-11-23T00:00:00.000Z' },
    });
    await until('it is gone', async () => !(await runs(database)));
    await expect(host.attach(database, 2, slots)).rejects.toMatchObject({
      code: 'database_deleted',
    });
  });
});
