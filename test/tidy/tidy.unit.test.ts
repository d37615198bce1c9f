/** Holds the rules over the whole repository. CONTRIBUTING.md says them in words. */
import { describe, expect, test } from '@jest/globals';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { CHECKS } from './checks.ts';
import { readTree } from './read-tree.ts';

describe('the repository', () => {
  const tree = readTree(PACKAGE_ROOT);

  test('was read whole', () => {
    expect(tree.sources.has('model/state.ts')).toBe(true);
    expect(tree.texts.has('README.md')).toBe(true);
    expect(tree.packages.get('pg')).toContain('pg-protocol');
  });

  test.each(Object.entries(CHECKS))('%s', (_, check) => {
    expect(check(tree).map((f) => `${f.path} [${f.rule}] ${f.text}`)).toEqual([]);
  });
});
