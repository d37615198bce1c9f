import { describe, expect, test } from '@jest/globals';
import { AppError, ERRORS, codeOf, errorBodyOf, isErrorCode } from '../../model/errors.ts';

describe('the table of errors', () => {
  test.each(Object.entries(ERRORS))('%s has an HTTP status and a SQLSTATE', (code, kind) => {
    expect(code).toMatch(/^[a-z_]+$/);
    expect(kind.status).toBeGreaterThanOrEqual(400);
    expect(kind.status).toBeLessThan(600);
    expect(kind.sqlstate).toMatch(/^[0-9A-Z]{5}$/);
    expect(kind.message).toMatch(/^[a-z][^.]*$/);
  });

  test('no two errors say the same to people', () => {
    const messages = Object.values(ERRORS).map((kind) => kind.message);
    expect(new Set(messages).size).toBe(messages.length);
  });

  test('the SQLSTATEs that clients act on are the ones they know', () => {
    expect(ERRORS.waking.sqlstate).toBe('57P03');
    expect(ERRORS.no_capacity.sqlstate).toBe('53300');
    expect(ERRORS.login_refused.sqlstate).toBe('28P01');
  });

  test('a code is known by its name only', () => {
    expect(isErrorCode('waking')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
    expect(isErrorCode('asleep')).toBe(false);
    expect(isErrorCode(57)).toBe(false);
  });
});

describe('an expected failure', () => {
  test('carries its code, what is said besides and what led to it', () => {
    const cause = new Error('connection refused');
    const error = new AppError('stale_epoch', { detail: 'too old', data: { minted: 7 }, cause });
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toBe(ERRORS.stale_epoch.message);
    expect(error.cause).toBe(cause);
    expect(codeOf(error)).toBe('stale_epoch');
    expect(errorBodyOf(error)).toEqual({
      code: 'stale_epoch',
      message: ERRORS.stale_epoch.message,
      retryable: true,
      detail: 'too old',
      data: { minted: 7 },
    });
  });

  test('says no more than the table if nothing is added', () => {
    const error = new AppError('broken');
    expect(error.cause).toBeUndefined();
    expect(errorBodyOf(error)).toEqual({
      code: 'broken',
      message: ERRORS.broken.message,
      retryable: false,
    });
  });

  test('anything else that is thrown is shown as internal, and nothing of it is told', () => {
    for (const thrown of [new Error('select secret from t'), 'text', undefined]) {
      expect(codeOf(thrown)).toBe('internal');
      expect(errorBodyOf(thrown)).toEqual({
        code: 'internal',
        message: ERRORS.internal.message,
        retryable: false,
      });
    }
  });
});
