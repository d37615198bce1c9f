import { expect, test } from '@jest/globals';
import { alignTable, textOf } from '../../dev/table.ts';

test('columns are as wide as their widest value, numbers stand to the right', () => {
  const rows = [
    [1, 'short'],
    [1000, 'a longer text'],
  ];
  expect(alignTable(['n', 'text'], rows)).toEqual([
    '  n   |     text',
    '------+---------------',
    '    1 | short',
    ' 1000 | a longer text',
  ]);
});

test('a table without rows is its header', () => {
  expect(alignTable(['id'], [])).toEqual([' id', '----']);
});

test('values are shown as Postgres writes them', () => {
  expect(textOf(null)).toBe('');
  expect(textOf(true)).toBe('true');
  expect(textOf(new Date('2026-11-23T08:00:00Z'))).toBe('2026-11-23T08:00:00.000Z');
  expect(textOf(new Uint8Array([1, 255]))).toBe('\\x01ff');
  expect(textOf({ a: [1] })).toBe('{"a":[1]}');
});
