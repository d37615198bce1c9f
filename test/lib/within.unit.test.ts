import { expect, test } from '@jest/globals';
import { within } from '../../lib/within.ts';

const never = new Promise<string>(() => undefined);

test('what comes in time is the answer, and a failure of it too', async () => {
  expect(await within(Promise.resolve('done'), 60_000, () => 'late')).toBe('done');
  await expect(within(Promise.reject(new Error('no')), 60_000, () => 'late')).rejects.toThrow('no');
});

test('what does not is given up for what is said instead', async () => {
  expect(await within(never, 1, () => 'late')).toBe('late');
  const refuse = (): never => {
    throw new Error('too late');
  };
  await expect(within(never, 1, refuse)).rejects.toThrow('too late');
});
