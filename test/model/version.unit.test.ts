import { describe, expect, test } from '@jest/globals';
import { isNewer } from '../../model/version.ts';

describe('version', () => {
  test('a later boot is newer whatever its version', () => {
    expect(isNewer({ boot: 2, version: 1 }, { boot: 1, version: 9 })).toBe(true);
    expect(isNewer({ boot: 1, version: 9 }, { boot: 2, version: 1 })).toBe(false);
  });

  test('within a boot the higher version is newer', () => {
    expect(isNewer({ boot: 1, version: 2 }, { boot: 1, version: 1 })).toBe(true);
    expect(isNewer({ boot: 1, version: 1 }, { boot: 1, version: 2 })).toBe(false);
  });

  test('what was said before is not newer than itself', () => {
    expect(isNewer({ boot: 1, version: 1 }, { boot: 1, version: 1 })).toBe(false);
  });
});
