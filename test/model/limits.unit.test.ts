import { describe, expect, test } from '@jest/globals';
import * as limits from '../../model/limits.ts';

describe('the limits', () => {
  test('are whole numbers above zero', () => {
    const { TENANT_LIMITS, ...others } = limits;
    for (const [name, value] of Object.entries({ ...others, ...TENANT_LIMITS }))
      expect({ name, whole: Number.isSafeInteger(value) && value > 0 }).toEqual({
        name,
        whole: true,
      });
  });

  test('a host fences itself well before others take its databases', () => {
    expect(limits.HEARTBEAT_FENCE_MS).toBeGreaterThan(2 * limits.HEARTBEAT_MS);
    expect(limits.HEARTBEAT_LOST_MS - limits.HEARTBEAT_FENCE_MS).toBeGreaterThanOrEqual(
      2 * limits.HEARTBEAT_MS,
    );
  });

  test('a transition is given up only after all that wait for it have given up', () => {
    expect(limits.STARTING_MS_MAX).toBeGreaterThan(limits.ATTACH_MS_MAX);
    expect(limits.SUSPENDING_MS_MAX).toBeGreaterThan(limits.POSTGRES_STOP_MS_MAX);
  });

  test('one lost sync does not silence a host', () => {
    expect(limits.HOST_SILENT_MS).toBeGreaterThan(2 * limits.SYNC_MS);
  });

  test('a refused login is over before its time is', () => {
    expect(limits.LOGIN_REFUSED_MS).toBeLessThan(limits.LOGIN_MS_MAX);
  });
});
