import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openHotFunctions, type HotFunctions } from '../../../db/cold/hot-functions.ts';
import type { Cold, Run } from '../../../db/cold/pool.ts';
import { openHot } from '../../../db/hot/pool.ts';
import type { Hot } from '../../../db/hot/hot.ts';
import { eventInsert } from '../../../db/hot/event-insert.ts';
import type { AgentEvent } from '../../../model/wire.ts';
import { relayRound } from '../../../workers/relay.ts';
import { ask, openTestCold } from '../../support/cold.ts';
import {
  createColdTestDatabase,
  createTestDatabase,
  urlAs,
  type TestDatabase,
} from '../../support/database.ts';

const AT = Date.UTC(2026, 10, 23);
const ID = 'db-aaaaaaaaaaaaaaaaaaaa';

/** Journal events of host-1, numbered as they are given. */
const eventsOf = (first: number, ...kinds: readonly [AgentEvent['kind'], number][]): AgentEvent[] =>
  kinds.map(([kind, epoch], i) => ({
    host: 'host-1',
    boot: 1,
    seq: first + i,
    kind,
    at: new Date(AT + (first + i) * 1000).toISOString(),
    directory: 'aaaaaaaaaaaaaaaa',
    database: ID,
    epoch,
    size: 'small',
  }));

describe('the relay', () => {
  let databases: { hot: TestDatabase; cold: TestDatabase };
  let hotAdmin: Hot;
  let hot: HotFunctions;
  let cold: Cold;

  beforeAll(async () => {
    databases = { hot: await createTestDatabase(), cold: await createColdTestDatabase() };
    const onIdleError = (): void => undefined;
    hotAdmin = openHot({ url: databases.hot.url, size: 3, onIdleError });
    const url = urlAs(databases.hot, 'pilotlight_cold');
    hot = openHotFunctions({ url, size: 3, name: 'test', onIdleError });
    cold = openTestCold(databases.cold);
  });
  afterAll(async () => {
    await Promise.all([hotAdmin.close(), hot.close(), cold.close()]);
    await Promise.all([databases.hot.drop(), databases.cold.drop()]);
  });

  const sql = (text: string, values: readonly unknown[] = []) =>
    hotAdmin.durable<Record<string, unknown>>({ name: '', text }, values);
  const row = (kind: string, seq: number, tenant: string | null = 'acme') =>
    sql(
      `insert into event (host_id, boot, seq, kind, at, database_id, tenant, epoch, size)
       values ('hot', 0, $1, $2, now(), $3, $4, 1, 'small')`,
      [seq, kind, ID, tenant],
    );
  const left = async () => Number((await sql('select count(*) as n from event'))[0]?.['n']);
  const taken = () =>
    ask<{ source: string; seq: number; kind: string }>(
      cold,
      'select source, seq, kind from event order by id',
    );
  const live = async () =>
    (await ask<{ state: string; tenant: string }>(cold, 'select state, tenant from database'))[0];

  beforeEach(async () => {
    await sql('truncate event');
    await sql('update generation set id = gen_random_uuid()');
    const admin = openTestCold(databases.cold, 'postgres');
    await ask(admin, 'truncate event, event_cursor, database, usage_interval cascade');
    await admin.close();
  });

  test('takes along who wanted it, and summaries of sessions', async () => {
    const sessions = { ended: 'client', count: 3, bytes_in: 10, bytes_out: 20, session_ms: 1.5 };
    const told = { cause: { source: '::1' }, sessions };
    const events = eventsOf(1, ['sessions', 1]);
    await eventInsert(
      hotAdmin,
      events.map((event) => ({ ...event, ...told })),
    );
    await relayRound({ cold, hot });
    expect(await ask(cold, 'select cause, sessions from event')).toEqual([told]);
  });

  test('takes events in order, folds them, and removes them from hot Postgres', async () => {
    await row('database_created', 1);
    await eventInsert(hotAdmin, eventsOf(1, ['created', 1], ['started', 1], ['suspended', 1]));
    expect(await relayRound({ cold, hot }, 3)).toEqual({ outcome: 'more', taken: 3 });
    expect(await left()).toBe(1);
    expect(await relayRound({ cold, hot }, 3)).toEqual({ outcome: 'drained', taken: 1 });
    const generation = await hot.generation();
    expect(await taken()).toEqual([
      { source: `hot:${generation}`, seq: 1, kind: 'database_created' },
      { source: 'host-1', seq: 1, kind: 'created' },
      { source: 'host-1', seq: 2, kind: 'started' },
      { source: 'host-1', seq: 3, kind: 'suspended' },
    ]);
    const intervals = await ask(
      cold,
      'select epoch, started_ms, stopped_ms, ended_ms, inferred, dirty from usage_interval',
    );
    expect(intervals).toEqual([
      {
        epoch: 1,
        started_ms: AT + 2000,
        stopped_ms: AT + 3000,
        ended_ms: AT + 3000,
        inferred: false,
        dirty: true,
      },
    ]);
    expect(await ask(cold, 'select directory, state from database')).toEqual([
      { directory: 'aaaaaaaaaaaaaaaa', state: 'live' },
    ]);
    expect(await ask(cold, 'select events, drained_at is not null as d from event_cursor')).toEqual(
      [{ events: 4, d: true }],
    );
  });

  test('an empty table is noted as drained', async () => {
    expect(await relayRound({ cold, hot })).toEqual({ outcome: 'drained', taken: 0 });
    expect(await ask(cold, 'select hot_id, events from event_cursor')).toEqual([
      { hot_id: 0, events: 0 },
    ]);
    expect(await relayRound({ cold, hot }, 10, false)).toEqual({ outcome: 'drained', taken: 0 });
  });

  test('ended after the cold commit and before the removal, it takes nothing twice', async () => {
    await row('database_created', 1);
    await eventInsert(hotAdmin, eventsOf(1, ['started', 1]));
    const killed: HotFunctions = {
      ...hot,
      eventsTaken: () => Promise.reject(new Error('killed here')),
    };
    await expect(relayRound({ cold, hot: killed })).rejects.toThrow('killed here');
    expect(await left()).toBe(2);
    expect(await relayRound({ cold, hot })).toEqual({ outcome: 'drained', taken: 0 });
    expect(await left()).toBe(0);
    expect(await taken()).toHaveLength(2);
    expect(await ask(cold, 'select events from event_cursor')).toEqual([{ events: 2 }]);
  });

  test('ended anywhere within the cold transaction, it has taken nothing', async () => {
    await row('database_created', 1);
    await eventInsert(hotAdmin, eventsOf(1, ['started', 1]));
    for (let dies = 1; dies <= 7; dies++) {
      let statements = 0;
      const dying: Cold = {
        ...cold,
        transaction: (work) =>
          cold.transaction((run) => {
            const counted: Run = (statement, values) => {
              statements += 1;
              return statements === dies
                ? Promise.reject(new Error('killed here'))
                : run(statement, values);
            };
            return work(counted);
          }),
      };
      await expect(relayRound({ cold: dying, hot })).rejects.toThrow('killed here');
      expect([await taken(), await left()]).toEqual([[], 2]);
    }
    expect(await relayRound({ cold, hot })).toEqual({ outcome: 'drained', taken: 2 });
  });

  test('a new generation: hosts ship again and count once, its own events are new', async () => {
    await row('database_created', 1);
    await eventInsert(hotAdmin, eventsOf(1, ['started', 1]));
    await relayRound({ cold, hot });
    await sql('update generation set id = gen_random_uuid()');
    await sql('truncate event restart identity');
    await row('database_changed', 1);
    await eventInsert(hotAdmin, eventsOf(1, ['started', 1], ['suspended', 1]));
    expect(await relayRound({ cold, hot })).toEqual({ outcome: 'drained', taken: 2 });
    expect((await taken()).map((event) => event.kind)).toEqual([
      'database_created',
      'started',
      'database_changed',
      'suspended',
    ]);
    expect(await ask(cold, 'select count(*)::int as n from event_cursor')).toEqual([{ n: 2 }]);
  });

  test('an id that commits after a higher one has been taken is not lost', async () => {
    const slow = openHot({ url: databases.hot.url, size: 1, onIdleError: () => undefined });
    const late = (text: string) => slow.durable({ name: '', text }, []);
    await late('begin');
    await late(
      `insert into event (host_id, boot, seq, kind, at) values ('host-2', 1, 1, 'warmed', now())`,
    );
    await eventInsert(hotAdmin, eventsOf(1, ['started', 1]));
    const between: HotFunctions = {
      ...hot,
      async eventsTaken(ids) {
        await late('commit');
        return hot.eventsTaken(ids);
      },
    };
    expect(await relayRound({ cold, hot: between })).toEqual({ outcome: 'drained', taken: 1 });
    await slow.close();
    expect(await relayRound({ cold, hot })).toEqual({ outcome: 'drained', taken: 1 });
    expect((await taken()).map((event) => event.source)).toEqual(['host-1', 'host-2']);
  });

  test('of two at once one works; together they take everything once and in order', async () => {
    for (let i = 0; i < 10; i++)
      await eventInsert(
        hotAdmin,
        eventsOf(
          1 + i * 10,
          ...Array.from(
            { length: 10 },
            (_, n) => ['started', i * 10 + n + 1] as [AgentEvent['kind'], number],
          ),
        ),
      );
    const relay = async (): Promise<number> => {
      let sum = 0;
      while ((await left()) > 0) sum += (await relayRound({ cold, hot }, 7)).taken;
      return sum;
    };
    const sums = await Promise.all([relay(), relay(), relay()]);
    expect(sums.reduce((a, b) => a + b, 0)).toBe(100);
    const seqs = (await taken()).map((event) => event.seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(seqs).toHaveLength(100);
  });

  test('while another relay has the lock, nothing is read into cold Postgres', async () => {
    await row('database_created', 1);
    await cold.transaction(async (run) => {
      await run(
        { name: '', text: `select pg_advisory_xact_lock(hashtextextended('pilotlight relay', 0))` },
        [],
      );
      expect(await relayRound({ cold, hot })).toEqual({ outcome: 'busy', taken: 0 });
    });
    expect([await taken(), await left()]).toEqual([[], 1]);
  });

  test('the last word on a database counts, and a purge is final', async () => {
    const told: [string, string][] = [
      ['database_created', 'live'],
      ['database_deleted', 'deleted'],
      ['database_deleted', 'deleted'],
      ['database_changed', 'live'],
      ['database_create_undone', 'undone'],
    ];
    for (const [i, [kind, state]] of told.entries()) {
      await row(kind, i + 1);
      await relayRound({ cold, hot });
      expect(await live()).toEqual({ state, tenant: 'acme' });
    }
    await ask(cold, `update database set state = 'purged'`);
    await row('database_changed', 9);
    await relayRound({ cold, hot });
    expect(await live()).toMatchObject({ state: 'purged' });
  });

  test('several words in one page: the last one counts, the first one dates it', async () => {
    await row('database_created', 1);
    await row('database_deleted', 2);
    await row('database_changed', 3, null);
    await relayRound({ cold, hot });
    expect(await live()).toMatchObject({ state: 'deleted' });
  });
});
