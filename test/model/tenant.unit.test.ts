/** What a tenant may do at once and in the long run. */
import { describe, expect, test } from '@jest/globals';
import { AppError, codeOf } from '../../model/errors.ts';
import { BURST_S, TENANT_LIMITS } from '../../model/limits.ts';
import { newTenant, spend } from '../../model/tenant.ts';

const RATE = 10;

function estimateOf(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    expect(codeOf(error)).toBe('too_many_starts');
    return (error as AppError).data?.['estimate_ms'];
  }
}

describe('a tenant', () => {
  const { starts } = newTenant('a');
  const start = (now: number) => estimateOf(() => spend(starts, RATE, now, 'too_many_starts'));

  test('has the limits that hold where nothing else is said', () => {
    expect(newTenant('a')).toMatchObject({ limits: TENANT_LIMITS, running: 0 });
  });

  test('may do some seconds of its rate at once, and is then told when there is more', () => {
    for (let n = 0; n < RATE * BURST_S; n++) expect(start(0)).toBeUndefined();
    expect(start(0)).toBe(100);
    expect(start(50)).toBe(50);
    expect(start(100)).toBeUndefined();
    expect(start(100)).toBe(100);
  });

  test('that was quiet for long has saved up no more than that', () => {
    for (let n = 0; n < RATE * BURST_S; n++) expect(start(1e9)).toBeUndefined();
    expect(start(1e9)).toBe(100);
  });

  test('with a rate of nothing is refused for ever', () => {
    const { creates } = newTenant('b');
    expect(estimateOf(() => spend(creates, 0, 1, 'too_many_starts'))).toBe(Infinity);
  });
});
