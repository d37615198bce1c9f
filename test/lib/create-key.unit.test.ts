import { expect, test } from '@jest/globals';
import { keyedId, randomId, requestHash } from '../../lib/create-key.ts';
import { isDatabaseId } from '../../model/ids.ts';

test('the id of a key is always the same, and another of another tenant, key or fleet', () => {
  const ids = [
    keyedId('fleet', 'acme', 'key'),
    keyedId('fleet', 'acme', 'key2'),
    keyedId('fleet', 'other', 'key'),
    keyedId('fleet2', 'acme', 'key'),
    randomId(),
    randomId(),
  ];
  expect(keyedId('fleet', 'acme', 'key')).toBe(ids[0]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every(isDatabaseId)).toBe(true);
});

test('a key is 1 to 255 characters', () => {
  for (const key of ['', 'x'.repeat(256)])
    expect(() => keyedId('fleet', 'acme', key)).toThrow('the request is not valid');
});

test('what is asked for is the same however its labels are ordered, and another with another field', () => {
  const spec = { tenant: 'acme', labels: { b: '1', a: '2' } };
  expect(requestHash(spec)).toMatch(/^[0-9a-f]{64}$/);
  expect(requestHash({ ...spec, labels: { a: '2', b: '1' } })).toBe(requestHash(spec));
  expect(requestHash({ ...spec, labels: { a: '1', b: '2' } })).not.toBe(requestHash(spec));
  const other = { ...spec, tenant: 'other' };
  expect(requestHash(other)).not.toBe(requestHash(spec));
});
