import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT, findRoot } from '../../lib/root.ts';

describe('the root of the package', () => {
  test('is the same from the sources and from what is built of them', () => {
    expect(existsSync(join(PACKAGE_ROOT, 'model/state.ts'))).toBe(true);
    expect(findRoot(join(PACKAGE_ROOT, 'dist/lib/root.js'))).toBe(PACKAGE_ROOT);
  });

  test('is not guessed where there is no package', () => {
    expect(() => findRoot('/proc/self/x')).toThrow('BUG: no package.json above /proc/self/x');
  });
});
