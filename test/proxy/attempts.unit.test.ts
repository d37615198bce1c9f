/** How many false logins one source has. */
import { expect, test } from '@jest/globals';
import { LOGIN_FAILURES_BURST, LOGIN_FAILURES_PER_SECOND } from '../../model/limits.ts';
import { createAttempts, networkOf } from '../../proxy/attempts.ts';

const ONE = { source: '192.0.2.1', database: 'db-a', role: 'owner' };

test('a burst of them, then as many as a second takes away', () => {
  let now = 0;
  const attempts = createAttempts(() => now);
  for (let n = 0; n < LOGIN_FAILURES_BURST; n++) {
    attempts.check(ONE);
    attempts.failed(ONE);
  }
  const refusal = (): unknown => {
    try {
      attempts.check(ONE);
      return undefined;
    } catch (error) {
      return error;
    }
  };
  expect(refusal()).toMatchObject({
    code: 'too_many_attempts',
    data: { estimate_ms: Math.ceil(1_000 / LOGIN_FAILURES_PER_SECOND) },
  });
  now += 1_000;
  for (let n = 0; n < LOGIN_FAILURES_PER_SECOND; n++) {
    attempts.check(ONE);
    attempts.failed(ONE);
  }
  expect(() => attempts.check(ONE)).toThrow('too many false logins');
  now += 1_000_000;
  attempts.check(ONE);
});

test('another source, database or role is not touched by it', () => {
  const attempts = createAttempts(() => 0);
  for (let n = 0; n < LOGIN_FAILURES_BURST; n++) attempts.failed(ONE);
  expect(() => attempts.check(ONE)).toThrow('too many false logins');
  for (const other of [{ source: '192.0.2.2' }, { database: 'db-b' }, { role: 'app' }])
    expect(() => attempts.check({ ...ONE, ...other })).not.toThrow();
});

test('logins that are right do not count', () => {
  const attempts = createAttempts(() => 0);
  for (let n = 0; n < 2 * LOGIN_FAILURES_BURST; n++)
    expect(() => attempts.check(ONE)).not.toThrow();
});

test('however many were under way at once, seconds later one gets in', () => {
  let now = 0;
  const attempts = createAttempts(() => now);
  for (let n = 0; n < 100 * LOGIN_FAILURES_BURST; n++) attempts.failed(ONE);
  expect(() => attempts.check(ONE)).toThrow('too many false logins');
  now += 5_200;
  expect(() => attempts.check(ONE)).not.toThrow();
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['2001:db8:1:2::', '2001:db8:1:2'],
])('%s counts as %s', (source, network) => {
  expect(networkOf(source)).toBe(network);
});
