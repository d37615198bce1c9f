/** The inputs of the operations over many databases, and their arithmetic. */
import { describe, expect, test } from '@jest/globals';
import { DELETION_DEFAULTS, wrongDeletion } from '../../../model/cold/deletion.ts';
import { TARGETS_MAX, deferMs, isRunName } from '../../../model/cold/items.ts';
import { ROTATION_DEFAULTS, revokeRun, wrongRotation } from '../../../model/cold/keys.ts';
import { MIGRATION_DEFAULTS, isPassing, wrongMigration } from '../../../model/cold/migrations.ts';

describe('the input of a migration', () => {
  const plan = { ...MIGRATION_DEFAULTS, name: 'x', folder: '/sql', targets: 'all' as const };

  test('with its defaults is right', () => {
    expect(wrongMigration(plan)).toBeUndefined();
    expect(wrongMigration({ ...plan, targets: ['db-a'] })).toBeUndefined();
  });

  test.each([
    ['name', '../x'],
    ['folder', ''],
    ['targets', 'some'],
    ['targets', []],
    ['targets', [5]],
    ['targets', Array.from({ length: TARGETS_MAX + 1 }, () => 'db-a')],
    ['canary', 0.5],
    ['bake_ms', -1],
    ['batch', 0],
    ['concurrency', 65],
    ['failures_allowed', -1],
    ['lock_timeout_ms', 0],
    ['statement_timeout_ms', 1e9],
    ['retry_ms', 0],
  ])('names %s when it is %j', (field, value) => {
    expect(wrongMigration({ ...plan, [field]: value })).toBe(field);
  });
});

describe('the input of a rotation', () => {
  const plan = { ...ROTATION_DEFAULTS, name: 'x', targets: 'all' as const };

  test('with its defaults is right', () => {
    expect(wrongRotation(plan)).toBeUndefined();
  });

  test.each([
    ['name', ''],
    ['targets', null],
    ['role', 'pilot'],
    ['role', 5],
    ['grace_ms', -1],
    ['batch', 0],
    ['concurrency', 0],
    ['failures_allowed', -1],
    ['retry_ms', 0],
    ['emergency', 'yes'],
  ])('names %s when it is %j', (field, value) => {
    expect(wrongRotation({ ...plan, [field]: value })).toBe(field);
  });

  test('its revoking is a run of its own', () => {
    expect(revokeRun('rotate:x')).toBe('rotate:x:revoke');
  });
});

describe('the input of a deletion', () => {
  const plan = { ...DELETION_DEFAULTS, database: `db-${'a'.repeat(20)}` };

  test('is a database and for how long its data stay', () => {
    expect(wrongDeletion(plan)).toBeUndefined();
    expect(wrongDeletion({ ...plan, database: 'db-x' })).toBe('database');
    expect(wrongDeletion({ ...plan, database: 5 as unknown as string })).toBe('database');
    expect(wrongDeletion({ ...plan, retention_ms: -1 })).toBe('retention_ms');
  });
});

describe('what all of them share', () => {
  test('a name stands in ids, paths and commands without quotes', () => {
    for (const name of ['2026-11-index', 'v1.2_x', 'A']) expect(isRunName(name)).toBe(true);
    for (const name of ['', '-x', 'a b', 'a/b', 'a:b', 'x'.repeat(81), 5])
      expect(isRunName(name)).toBe(false);
  });

  test('an item waits longer with every attempt, up to 32 times as long', () => {
    expect([0, 1, 2, 3, 6, 7, 100].map((attempt) => deferMs(10, attempt))).toEqual([
      10, 10, 20, 40, 320, 320, 320,
    ]);
  });

  test('locks, lost races and broken connections pass; what the file is wrong about does not', () => {
    for (const state of ['55P03', '40001', '40P01', '53300', '57P01', '08006', '25006'])
      expect(isPassing(state)).toBe(true);
    for (const state of ['42601', '23505', '57014', '0A000', 5, undefined])
      expect(isPassing(state)).toBe(false);
  });
});
