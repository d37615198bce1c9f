import { describe, expect, test } from '@jest/globals';
import { isMigrationName } from '../../model/migration.ts';

describe('the name of a migration', () => {
  test('has a number of four digits, and letters that need no quoting', () => {
    expect(isMigrationName('0001_add_an_index.sql')).toBe(true);
    for (const name of ['1_a.sql', '0001_A.sql', '0001_.sql', '0001_a.txt', '../0001_a.sql', 5])
      expect(isMigrationName(name)).toBe(false);
  });
});
