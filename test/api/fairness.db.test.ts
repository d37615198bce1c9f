/**
 * Exhaustion and fairness: starts and creates as the api makes them, over a real hot Postgres. Hosts are
 * simulated (host/sim.ts), so that slots are what runs out and not this machine.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Context } from '../../api/context.ts';
import { createDatabase } from '../../api/create.ts';
import { createStarter } from '../../api/start.ts';
import { suspendDatabase } from '../../api/suspend.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { AppError, codeOf } from '../../model/errors.ts';
import { BURST_S, TENANT_LIMITS } from '../../model/limits.ts';
import type { StartRequest } from '../../model/wire.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openTestHot, run, slotsInTwoPlaces } from '../support/rows.ts';
import { createSimFleet, type SimFleet } from '../support/sim-fleet.ts';

let database: TestDatabase;
let hot: Hot;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 8);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});
afterEach(async () => {
  expect(await slotsInTwoPlaces(hot)).toBe(0);
  for (const table of ['assignment', 'database', 'tenant', 'host', 'slot_vacant', 'slot_warm'])
    await run(hot, `delete from ${table}`);
});

const SPEC = {
  size: 'small',
  idle_ms: 1_000,
  idle_sessions: 'close',
  ignore: [],
  allow: [],
  tls: 'optional',
  labels: {},
} as const;

function apiOf(fleet: SimFleet, patienceMs = 20_000) {
  const { parts } = fleet;
  const context = { ...parts, fleetSecret: 's', proxyAddress: 'p' } as unknown as Context;
  const starter = createStarter({ ...parts, patienceMs });
  return {
    create: (tenant: string) =>
      createDatabase(context, { spec: { ...SPEC, tenant }, key: undefined, requestId: '' }),
    start: (id: string, request: StartRequest = {}) =>
      starter.start({ database: id, request, requestId: '', force: false }),
    async suspend(id: string, epoch: number): Promise<void> {
      expect(await suspendDatabase(parts, id, { epoch }, '')).toEqual({ outcome: 'suspended' });
    },
  };
}

/** Databases that sleep. */
async function asleep(api: ReturnType<typeof apiOf>, tenant: string, count: number) {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const { id, epoch } = await api.create(tenant);
    await api.suspend(id, epoch);
    ids.push(id);
  }
  return ids;
}

const limit = (tenant: string, limits: Partial<typeof TENANT_LIMITS>) =>
  run(
    hot,
    `insert into tenant (name, limits) values ($1, $2::jsonb)
     on conflict (name) do update set limits = excluded.limits`,
    [tenant, JSON.stringify(limits)],
  );
const codesOf = (ends: readonly PromiseSettledResult<unknown>[]) =>
  ends.map((end) => (end.status === 'rejected' ? codeOf(end.reason) : 'ok'));

describe('where all slots are warm', () => {
  it('a hundred sleeping databases still start, each in the room of one', async () => {
    const fleet = createSimFleet(hot, { small: 50 }, ['host-1', 'host-2']);
    await fleet.sync();
    const api = apiOf(fleet);
    const ids = await asleep(api, 'a', 100);
    for (const host of fleet.hosts.values())
      for (let slot = 1; slot <= 50; slot++) await host.verbs.warm({ size: 'small' });
    await fleet.sync();
    expect(await run(hot, 'select from slot_vacant')).toHaveLength(0);
    const answers = await Promise.all(ids.map((id) => api.start(id)));
    expect(answers.every(({ state }) => state === 'running')).toBe(true);
    expect(await run(hot, 'select from slot_warm')).toHaveLength(0);
  });
});

describe('without any room', () => {
  it('a start waits in line and goes on when a slot is vacated, in the order of arrival', async () => {
    const fleet = createSimFleet(hot, { small: 2 }, ['host-1']);
    await fleet.sync();
    const api = apiOf(fleet);
    const [a = '', b = '', c = '', d = ''] = await asleep(api, 'a', 4);
    const running = await Promise.all([api.start(a), api.start(b)]);
    const order: string[] = [];
    const third = api.start(c).then(() => order.push(c));
    while (fleet.parts.room.small.length() < 1) await new Promise(setImmediate);
    const fourth = api.start(d).then(() => order.push(d));
    while (fleet.parts.room.small.length() < 2) await new Promise(setImmediate);
    const [one] = running;
    await api.suspend(a, one?.state === 'running' ? one.epoch : 0);
    await third;
    expect(order).toEqual([c]);
    const row = await run<{ epoch: number }>(hot, 'select epoch from database where id = $1', [d]);
    // Who waits has been given no epoch.
    expect(row).toEqual([{ epoch: 1 }]);
    await api.suspend(b, 2);
    await fourth;
    expect(order).toEqual([c, d]);
  });

  it('a create waits in the same line, and maintenance does not wait at all', async () => {
    const fleet = createSimFleet(hot, { small: 1 }, ['host-1']);
    await fleet.sync();
    const api = apiOf(fleet);
    const [a = ''] = await asleep(api, 'a', 1);
    const made = await api.create('b');
    await expect(api.start(a, { priority: 'maintenance' })).rejects.toMatchObject({
      code: 'below_floor',
    });
    const start = api.start(a);
    while (fleet.parts.room.small.length() < 1) await new Promise(setImmediate);
    const create = api.create('b');
    while (fleet.parts.room.small.length() < 2) await new Promise(setImmediate);
    await api.suspend(made.id, made.epoch);
    expect((await start).state).toBe('running');
    await api.suspend(a, 2);
    expect((await create).cold_start).toBe('clone');
  });

  it('a start that waits too long is refused with an estimate, and can be asked again', async () => {
    const fleet = createSimFleet(hot, { small: 1 }, ['host-1']);
    await fleet.sync();
    const api = apiOf(fleet);
    const [a = ''] = await asleep(api, 'a', 1);
    const made = await api.create('b');
    const refused: unknown = await api.start(a).catch((error: unknown) => error);
    expect(codeOf(refused)).toBe('no_capacity');
    expect((refused as AppError).data?.['estimate_ms']).toBeGreaterThan(0);
    await api.suspend(made.id, made.epoch);
    await fleet.sync();
    expect((await api.start(a)).state).toBe('running');
  });
});

describe("one tenant's crash loop", () => {
  it('is refused beyond its rate, and another tenant does not notice', async () => {
    const fleet = createSimFleet(hot, { small: 20 }, ['host-1']);
    await fleet.sync();
    const api = apiOf(fleet);
    await limit('loop', { starts_per_second: 1 });
    const [loop = ''] = await asleep(api, 'loop', 1);
    const [calm = ''] = await asleep(api, 'calm', 1);
    const codes: string[] = [];
    for (let n = 0; n < 3 * BURST_S; n++) {
      const [end] = await Promise.allSettled([api.start(loop)]);
      codes.push(...codesOf(end === undefined ? [] : [end]));
      if (end?.status === 'fulfilled' && end.value.state === 'running')
        await api.suspend(loop, end.value.epoch);
    }
    expect(codes.filter((code) => code === 'too_many_starts').length).toBeGreaterThan(BURST_S);
    expect(codes.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(BURST_S);
    expect((await api.start(calm)).state).toBe('running');
  });

  it('has only so many awake, counted anew before it is refused', async () => {
    const fleet = createSimFleet(hot, { small: 20 }, ['host-1']);
    await fleet.sync();
    const api = apiOf(fleet);
    await limit('a', { running: 3 });
    const ids = await asleep(api, 'a', 6);
    const ends = await Promise.allSettled(ids.map((id) => api.start(id)));
    expect(codesOf(ends).toSorted()).toEqual(
      ['ok', 'ok', 'ok', 'too_many_running', 'too_many_running', 'too_many_running'].toSorted(),
    );
    const awake = ids[codesOf(ends).indexOf('ok')] ?? '';
    const denied = ids[codesOf(ends).indexOf('too_many_running')] ?? '';
    await api.suspend(awake, 2);
    const again = async (): Promise<string> => {
      const [end] = await Promise.allSettled([api.start(denied)]);
      return end?.status === 'fulfilled' ? 'ok' : again();
    };
    expect(await again()).toBe('ok');
  });

  it('has only so many starts under way; the others wait their turn and come', async () => {
    const fleet = createSimFleet(hot, { small: 20 }, ['host-1']);
    await fleet.sync();
    let under = 0;
    let most = 0;
    const { attach } = fleet.parts.agents;
    const agents: typeof fleet.parts.agents = {
      ...fleet.parts.agents,
      async attach(...call) {
        most = Math.max(most, ++under);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return attach(...call).finally(() => (under -= 1));
      },
    };
    const api = apiOf({ ...fleet, parts: { ...fleet.parts, agents } });
    await limit('a', { concurrent_starts: 2 });
    const ids = await asleep(api, 'a', 10);
    const answers = await Promise.all(ids.map((id) => api.start(id)));
    expect(answers.every(({ state }) => state === 'running')).toBe(true);
    expect(most).toBe(2);
  });

  it('can not create more, or faster, than it may', async () => {
    const fleet = createSimFleet(hot, { small: 20 }, ['host-1']);
    await fleet.sync();
    await limit('few', { databases: 2 });
    await limit('slow', { creates_per_second: 0.5 });
    const api = apiOf(fleet);
    const few = await Promise.allSettled([1, 2, 3].map(() => api.create('few')));
    expect(codesOf(few).toSorted()).toEqual(['ok', 'ok', 'too_many_databases']);
    const slow = await Promise.allSettled([1, 2, 3].map(() => api.create('slow')));
    expect(codesOf(slow)).toContain('too_many_creates');
  });
});

describe('a host that falls silent', () => {
  it('is passed over by the next look, though it ran the database last', async () => {
    const fleet = createSimFleet(hot, { small: 4 }, ['host-1', 'host-2']);
    await fleet.sync();
    const api = apiOf(fleet);
    const [id = ''] = await asleep(api, 'a', 1);
    const last = await run<{ last_host: string }>(hot, 'select last_host from database');
    fleet.hosts.get(last[0]?.last_host ?? '')?.crashMachine();
    const answer = await api.start(id);
    expect(answer.state).toBe('running');
    expect(fleet.parts.fleet.running(id)?.host).not.toBe(last[0]?.last_host);
  });
});
