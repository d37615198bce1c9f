import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { createUnhurried, type Unhurried } from '../../host/unhurried.ts';

let said: string[];
let unhurried: Unhurried;
let can: boolean;

beforeEach(() => {
  jest.useFakeTimers();
  said = [];
  can = true;
  unhurried = createUnhurried({
    lower(pid) {
      said.push(`lower ${pid}`);
      return can;
    },
    raise: (servers) => said.push(...servers.map(({ pid, data }) => `raise ${pid} in ${data}`)),
  });
});

afterEach(() => {
  jest.useRealTimers();
});

/** Ends when it is told to. */
function held(): { readonly work: () => Promise<void>; readonly end: () => void } {
  let end = (): void => undefined;
  const promise = new Promise<void>((resolve) => (end = resolve));
  return { work: () => promise, end };
}

it('what nobody waits for is lowered until it is ready, and raised once', () => {
  const raise = unhurried.lower(7, '/data', 'db-a');
  expect(said).toEqual(['lower 7']);
  raise();
  raise();
  jest.advanceTimersByTime(10_000);
  expect(said).toEqual(['lower 7', 'raise 7 in /data']);
});

it('one that is not ready after 2 s goes on as any other', () => {
  unhurried.lower(7, '/data');
  jest.advanceTimersByTime(1_999);
  expect(said).toEqual(['lower 7']);
  jest.advanceTimersByTime(1);
  expect(said).toEqual(['lower 7', 'raise 7 in /data']);
});

it('where it can not be lowered nothing is raised', () => {
  can = false;
  unhurried.lower(7, '/data', 'db-a')();
  jest.advanceTimersByTime(10_000);
  expect(said).toEqual(['lower 7']);
});

it('demand raises its own database, and no other', async () => {
  unhurried.lower(7, '/a', 'db-a');
  unhurried.lower(8, '/b', 'db-b');
  expect(await unhurried.demanded('db-b', () => Promise.resolve(1))).toBe(1);
  expect(said).toEqual(['lower 7', 'lower 8', 'raise 8 in /b']);
});

it('what begins while demand waits for it is not lowered, and afterwards it is', async () => {
  const [first, second] = [held(), held()];
  const waits = [first, second].map(({ work }) => unhurried.demanded('db-a', work));
  unhurried.lower(7, '/data', 'db-a')();
  first.end();
  await waits[0];
  unhurried.lower(7, '/data', 'db-a')();
  expect(said).toEqual([]);
  second.end();
  await waits[1];
  unhurried.lower(7, '/data', 'db-a');
  expect(said).toEqual(['lower 7']);
});

it('demand that fails waits no longer', async () => {
  const failed = unhurried.demanded('db-a', () => Promise.reject(new Error('no')));
  await expect(failed).rejects.toThrow('no');
  unhurried.lower(7, '/data', 'db-a');
  expect(said).toEqual(['lower 7']);
});

it('maintenance goes one after the other, also after one that failed', async () => {
  const first = held();
  const order: string[] = [];
  const a = unhurried.inTurn(async () => {
    order.push('a');
    await first.work();
    throw new Error('no');
  });
  const b = unhurried.inTurn(() => Promise.resolve(order.push('b')));
  await jest.advanceTimersByTimeAsync(4_000);
  expect(order).toEqual(['a']);
  first.end();
  await expect(a).rejects.toThrow('no');
  await b;
  expect(order).toEqual(['a', 'b']);
});

it('maintenance waits no longer than 5 s for what was before it', async () => {
  const order: string[] = [];
  void unhurried.inTurn(held().work);
  const b = unhurried.inTurn(() => Promise.resolve(order.push('b')));
  await jest.advanceTimersByTimeAsync(4_999);
  expect(order).toEqual([]);
  await jest.advanceTimersByTimeAsync(1);
  await b;
  expect(order).toEqual(['b']);
  await unhurried.inTurn(() => Promise.resolve(order.push('c')));
  expect(order).toEqual(['b', 'c']);
});
