/** A line: in order, bounded, and it goes on when someone in it is refused. */
import { describe, expect, test } from '@jest/globals';
import { createLine, type LineOptions } from '../../lib/line.ts';

const NONE = undefined;
const isNone = (found: unknown): boolean => found === NONE;

/** A line that has its own time: every reading is a millisecond later. */
function makeLine(options: Partial<LineOptions> = {}) {
  let time = 0;
  const now = (): number => (time += 1);
  const refusal = (ms: number): Error => new Error(`about ${ms >= 0 ? 'so long' : ms}`);
  return createLine({ now, lookMs: 1, waitMsMax: 1_000, lengthMax: 3, refusal, ...options });
}

describe('a line', () => {
  test('serves in the order of arrival, and only its first looks', async () => {
    const line = makeLine();
    const looks: string[] = [];
    const room: string[] = [];
    const wait = (name: string): Promise<string | undefined> =>
      line.wait(async () => {
        looks.push(name);
        return room.shift();
      }, isNone);
    const first = wait('first');
    const second = wait('second');
    while (looks.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(looks)).toEqual(new Set(['first']));
    expect(line.length()).toBe(2);
    room.push('a', 'b');
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
    expect(line.length()).toBe(0);
  });

  test('refuses who comes when it is as long as it may be', async () => {
    const line = makeLine({ lengthMax: 1 });
    let open = false;
    const first = line.wait(async () => (open ? 1 : NONE), isNone);
    await expect(line.wait(async () => 1, isNone)).rejects.toThrow('about so long');
    open = true;
    expect(await first).toBe(1);
  });

  test('refuses at once who would wait too long, by what the last ones waited', async () => {
    const line = makeLine({ waitMsMax: 20, lengthMax: 100 });
    const never = () => line.wait(async () => NONE, isNone);
    // Nobody is served: each refused one makes the next one's estimate longer.
    for (let n = 0; n < 5; n++) await expect(never()).rejects.toThrow('about so long');
    const ends = await Promise.allSettled([never(), never(), never(), never()]);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    // An empty line always lets its first one look.
    expect(await line.wait(async () => 7, isNone)).toBe(7);
  });

  test('goes on when a look fails', async () => {
    const line = makeLine();
    const broken = line.wait(() => Promise.reject(new Error('gone')), isNone);
    const next = line.wait(async () => 2, isNone);
    await expect(broken).rejects.toThrow('gone');
    expect(await next).toBe(2);
  });
});
