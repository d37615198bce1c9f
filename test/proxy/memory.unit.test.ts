/** What the proxy remembers of routes, and how those who wait share one start. */
import { describe, expect, test } from '@jest/globals';
import type { CallOptions } from '../../lib/json-client.ts';
import { AppError, codeOf } from '../../model/errors.ts';
import { HELD_PER_DATABASE_MAX } from '../../model/limits.ts';
import type { StartAnswer, StartRequest } from '../../model/wire.ts';
import { createWakes, type WakeRequest, type Woken } from '../../proxy/wake.ts';

const DATABASE = 'db-aaaaaaaaaaaaaaaaaaaa';
const never = new AbortController().signal;

const running = (epoch: number): StartAnswer => ({
  state: 'running',
  epoch,
  address: { socket: `/run/x.${epoch}`, port: 5432 },
  cold_start: 'resume',
});

function wakeStage(answer: (body: StartRequest, call: number) => Promise<StartAnswer>) {
  const bodies: StartRequest[] = [];
  const woken: Woken[] = [];
  const wakes = createWakes({
    api: {
      call: <T>(_: string, options: CallOptions) => {
        bodies.push(options.body as StartRequest);
        const said = answer(options.body as StartRequest, bodies.length);
        return said as Promise<unknown> as Promise<T>;
      },
    },
    holdMs: 1_000,
    onWoken: (_, route) => woken.push(route),
  });
  const request = (extra: Partial<WakeRequest> = {}): WakeRequest => ({
    database: DATABASE,
    cause: {},
    staleEpoch: 0,
    deadline: performance.now() + 1_000,
    signal: never,
    ...extra,
  });
  return { wakes, bodies, woken, request };
}

describe('a wake', () => {
  test('is one call for all who wait; its route is remembered and reported once', async () => {
    const { wakes, bodies, woken, request } = wakeStage(() => Promise.resolve(running(3)));
    const all = await Promise.all(Array.from({ length: 20 }, () => wakes.start(request())));
    expect(bodies).toHaveLength(1);
    expect(all.map((one) => one.coldStart)).toEqual(['resume', ...Array(19).fill('joined')]);
    expect(woken).toHaveLength(1);
    expect(wakes.routeOf(DATABASE, 2)?.epoch).toBe(3);
    expect(wakes.routeOf(DATABASE, 3)).toBeUndefined();
    expect(wakes.held()).toBe(0);
  });

  test('for a newer epoch is asked for again when a joined call answers the dead one', async () => {
    let letGo = (): void => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const { wakes, bodies, request } = wakeStage(async (body) => {
      if (body.stale_epoch !== undefined) return running(body.stale_epoch + 1);
      await gate;
      return running(3);
    });
    const first = wakes.start(request());
    const second = wakes.start(request({ staleEpoch: 3 }));
    letGo();
    expect((await first).epoch).toBe(3);
    expect((await second).epoch).toBe(4);
    expect(bodies.map((body) => body.stale_epoch)).toEqual([undefined, 3]);
  });

  test('waits out what time settles, and hands on what it does not', async () => {
    const settled = wakeStage((_, call) =>
      call < 3 ? Promise.reject(new AppError('held_elsewhere')) : Promise.resolve(running(1)),
    );
    expect((await settled.wakes.start(settled.request())).epoch).toBe(1);
    expect(settled.bodies).toHaveLength(3);
    const refused = wakeStage(() => Promise.reject(new AppError('no_capacity')));
    const error = await refused.wakes.start(refused.request()).catch((e: unknown) => e);
    expect(codeOf(error)).toBe('no_capacity');
    expect(refused.bodies).toHaveLength(1);
  });

  test('is given up when the hold is over, with the estimate, and nobody is held then', async () => {
    const waking = new AppError('waking', { data: { estimate_ms: 4_000 } });
    const { wakes, request } = wakeStage(() => Promise.reject(waking));
    const deadline = performance.now() + 150;
    const error = await wakes.start(request({ deadline })).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'waking', data: { estimate_ms: 4_000 } });
    const silent = wakeStage(async (body) => {
      await new Promise((resolve) => setTimeout(resolve, body.wait === false ? 50 : 300));
      return { state: 'starting', cold_start: 'joined', estimate_ms: 700 };
    });
    const late = [1, 2].map(() =>
      silent.wakes.start(silent.request({ deadline: performance.now() + 50 })),
    );
    for (const end of await Promise.allSettled(late))
      expect(end).toMatchObject({ reason: { code: 'waking', data: { estimate_ms: 700 } } });
    expect(silent.bodies.map((body) => body.wait)).toEqual([true, false]);
    expect([wakes.held(), silent.wakes.held()]).toEqual([0, 0]);
  });

  test('is not waited for by a client that has left', async () => {
    const { wakes, request } = wakeStage(() => new Promise(() => undefined));
    const controller = new AbortController();
    const left = wakes.start(request({ signal: controller.signal }));
    controller.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    expect(wakes.held()).toBe(0);
  });

  test('is refused above the bound of held clients', async () => {
    const { wakes, request } = wakeStage(() => new Promise(() => undefined));
    const clients = Array.from({ length: HELD_PER_DATABASE_MAX }, () => new AbortController());
    const held = clients.map(({ signal }) => wakes.start(request({ signal })));
    const one = await wakes.start(request()).catch((e: unknown) => e);
    expect(codeOf(one)).toBe('too_many_clients');
    for (const client of clients) client.abort(new Error('left'));
    await Promise.allSettled(held);
    expect(wakes.held()).toBe(0);
  });
});

describe('a route', () => {
  test('is forgotten only by its own epoch, and a newer one is never taken back', async () => {
    const { wakes, request } = wakeStage(() => Promise.resolve(running(5)));
    await wakes.start(request());
    expect(wakes.forget(DATABASE, 4)).toBeUndefined();
    expect(wakes.routeOf(DATABASE, 0)?.epoch).toBe(5);
    wakes.restore(DATABASE, { epoch: 4, address: { socket: '/old', port: 5432 } });
    expect(wakes.routeOf(DATABASE, 0)?.epoch).toBe(5);
    expect(wakes.forget(DATABASE, 5)?.epoch).toBe(5);
    expect(wakes.routeOf(DATABASE, 0)).toBeUndefined();
  });
});
