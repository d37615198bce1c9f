import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { AppError } from '../../model/errors.ts';
import { startLoop } from '../../workers/loop.ts';

/** A log that is kept. */
function keptLog() {
  const lines: { msg: string; code?: string }[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as never) });
  return { log, lines };
}

const never = (): Promise<never> => new Promise(() => undefined);

test('goes on at once while there is more, and is ended in the midst of a wait', async () => {
  let rounds = 0;
  let idle = (): void => undefined;
  const idling = new Promise<void>((resolve) => (idle = resolve));
  const loop = startLoop({
    name: 'test',
    log: keptLog().log,
    everyMs: 3_600_000,
    round() {
      rounds += 1;
      if (rounds === 100) idle();
      return Promise.resolve(rounds < 100 ? 'at once' : 'later');
    },
  });
  await idling;
  await loop.stop();
  expect(rounds).toBe(100);
});

test('says once that it waits, and once that it works again', async () => {
  const { log, lines } = keptLog();
  let rounds = 0;
  const works = new Promise<void>((resolve) => {
    const loop = startLoop({
      name: 'test',
      log,
      everyMs: 1,
      round() {
        rounds += 1;
        if (rounds <= 4) return Promise.reject(new AppError('unavailable'));
        if (rounds === 6) void loop.stop().then(resolve);
        return Promise.resolve('later');
      },
    });
  });
  await works;
  expect(lines.map((line) => line.msg)).toEqual(['waits', 'works again']);
  expect(lines[0]).toMatchObject({ code: 'unavailable' });
  expect(lines[0]).not.toHaveProperty('err');
});

test('a bug is told with its stack, and does not end the loop', async () => {
  const { log, lines } = keptLog();
  let rounds = 0;
  const loop = startLoop({
    name: 'test',
    log,
    everyMs: 1,
    round() {
      rounds += 1;
      if (rounds === 1) return Promise.reject(new Error('wrong'));
      return Promise.resolve('later');
    },
  });
  while (rounds < 2) await new Promise((resolve) => setImmediate(resolve));
  await loop.stop();
  expect(lines[0]).toMatchObject({ code: 'internal', err: { message: 'wrong' } });
});

test('stop waits for the round in progress', async () => {
  let finish = (): void => undefined;
  const loop = startLoop({
    name: 'test',
    log: keptLog().log,
    everyMs: 1,
    round: () => new Promise((resolve) => (finish = () => resolve('later'))),
  });
  await Promise.resolve();
  const stopping = loop.stop().then(() => 'stopped');
  const first = await Promise.race([
    stopping,
    new Promise((resolve) => setImmediate(() => resolve('waiting'))),
  ]);
  expect(first).toBe('waiting');
  finish();
  expect(await Promise.race([stopping, never()])).toBe('stopped');
});
