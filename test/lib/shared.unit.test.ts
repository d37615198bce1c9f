/** One turn of work for all who wait for it, begun after each of them has come. */
import { expect, test } from '@jest/globals';
import { createShared } from '../../lib/shared.ts';

/** Work whose turns end when the test says so. */
function turns() {
  const begun: { readonly key: string; readonly end: (fails?: boolean) => void }[] = [];
  const ask = createShared(
    (key) =>
      new Promise<number>((resolve, reject) => {
        const n = begun.length;
        const end = (fails = false): void => (fails ? reject(new Error('failed')) : resolve(n));
        begun.push({ key, end });
      }),
  );
  return { begun, ask };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('whoever comes meanwhile gets the next turn, together', async () => {
  const { begun, ask } = turns();
  const first = ask('a');
  const later = [ask('a'), ask('a')];
  expect(begun).toHaveLength(1);
  begun[0]?.end();
  expect(await first).toBe(0);
  await settled();
  expect(begun).toHaveLength(2);
  begun[1]?.end();
  expect(await Promise.all(later)).toEqual([1, 1]);
});

test('a turn that fails fails for those who have it, and the next begins', async () => {
  const { begun, ask } = turns();
  const first = ask('a');
  const second = ask('a');
  begun[0]?.end(true);
  await expect(first).rejects.toThrow('failed');
  await settled();
  begun[1]?.end();
  expect(await second).toBe(1);
  const third = ask('a');
  begun[2]?.end();
  expect(await third).toBe(2);
});

test('keys do not wait for each other', () => {
  const { begun, ask } = turns();
  void ask('a');
  void ask('b');
  expect(begun.map(({ key }) => key)).toEqual(['a', 'b']);
});
