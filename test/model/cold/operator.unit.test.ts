import { describe, expect, test } from '@jest/globals';
import { wrongActor, wrongConcurrency, wrongReason } from '../../../model/cold/operator.ts';

describe('what an operator says', () => {
  test('names who it is', () => {
    expect(wrongActor({ actor: 'kim' })).toBeUndefined();
    for (const wrong of [undefined, null, 'kim', {}, { actor: 7 }, { actor: ' ' }])
      expect(wrongActor(wrong)).toMatch(/actor must say/);
    expect(wrongActor({ actor: 'k'.repeat(65) })).toMatch(/at most 64/);
  });

  test('says why, briefly', () => {
    expect(wrongReason({ reason: 'p99' })).toBeUndefined();
    expect(wrongReason({ reason: '' })).toMatch(/reason must say/);
    expect(wrongReason({ reason: 'r'.repeat(201) })).toMatch(/at most 200/);
  });

  test('asks for a concurrency within the bounds of the workflow', () => {
    expect(wrongConcurrency({ n: 1 }, 8)).toBeUndefined();
    expect(wrongConcurrency({ n: 8 }, 8)).toBeUndefined();
    for (const n of [0, 9, 1.5, '3', undefined])
      expect(wrongConcurrency({ n }, 8)).toBe('n must be a whole number from 1 to 8');
  });
});
