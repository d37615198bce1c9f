import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainText } from '../../lib/plain-text.ts';

describe('plain text', () => {
  test('is what it was if it was plain and not too long', () => {
    for (const text of ['', 'psql', 'a\u{1f600}b', 'x'.repeat(63)])
      expect(plainText(text, 63)).toBe(text);
  });

  test('is cut between two characters', () => {
    expect(plainText('x'.repeat(64), 63)).toBe('x'.repeat(63));
    expect(plainText(`${'x'.repeat(62)}\u{1f600}`, 63)).toBe('x'.repeat(62));
    expect(plainText(`${'x'.repeat(61)}\u{1f600}y`, 63)).toBe(`${'x'.repeat(61)}\u{1f600}`);
  });

  test('has neither NUL nor half a character, whatever came', () => {
    expect(plainText('a\0b\ud83d', 63)).toBe('a\ufffdb\ufffd');
    const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(fc.array(unit), fc.integer({ min: 1, max: 9 }), (units, max) => {
        const plain = plainText(units.join(''), max);
        expect(plain.length).toBeLessThanOrEqual(max);
        expect(plain).not.toContain('\0');
        expect(Buffer.from(plain).toString()).toBe(plain);
      }),
    );
  });
});
