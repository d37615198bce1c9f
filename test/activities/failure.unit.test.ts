import { describe, expect, test } from '@jest/globals';
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { failureOf, scrub, withFailures } from '../../activities/failure.ts';
import { createLogger } from '../../lib/log.ts';
import { AppError } from '../../model/errors.ts';

const log = createLogger('test', 'silent');

/** What an activity that throws this ends with. */
async function endOf(thrown: Error, cancel = false): Promise<unknown> {
  const fails = (): Promise<never> => Promise.reject(thrown);
  const environment = new MockActivityEnvironment(undefined, {
    logger: new DefaultLogger('ERROR'),
  });
  const wrapped = withFailures({ fails }, log);
  if (cancel) environment.cancel();
  return environment.run(wrapped.fails).catch((error: unknown) => error);
}

describe('the failure of an activity', () => {
  test('has the code as its type, and is tried again where that can help', () => {
    expect(failureOf(new AppError('unavailable'))).toMatchObject({
      type: 'unavailable',
      nonRetryable: false,
    });
    expect(failureOf(new AppError('database_not_found'))).toMatchObject({
      type: 'database_not_found',
      nonRetryable: true,
      message: 'there is no such database',
    });
  });

  test('hands on the facts that a program acts on', () => {
    const failure = failureOf(new AppError('stale_epoch', { data: { minted: 7 } }));
    expect(failure.details).toEqual([{ minted: 7 }]);
  });

  test('of a bug says nothing but that it is one, and is tried again', async () => {
    const failure = await endOf(new TypeError('password=hunter2 is not a function'));
    expect(failure).toMatchObject({ type: 'internal', nonRetryable: false });
    expect(JSON.stringify(failure)).not.toContain('hunter2');
    expect(String((failure as Error).stack)).not.toContain('hunter2');
  });

  test('holds nothing of what caused it', async () => {
    const cause = new Error('Key (password)=(hunter2) already exists');
    const failure = (await endOf(new AppError('unavailable', { cause }))) as ApplicationFailure;
    expect(failure.cause).toBeUndefined();
    expect(failure.stack).toBe(`ApplicationFailure: ${failure.message}`);
  });

  test('that Temporal knows already stays as it is', async () => {
    const own = ApplicationFailure.nonRetryable('mine', 'held');
    expect(await endOf(own)).toBe(own);
  });

  test('of a call that ended because the activity was cancelled is the cancellation', async () => {
    expect(await endOf(new AppError('unavailable'), true)).toBeInstanceOf(CancelledFailure);
  });
});

describe('scrubbing', () => {
  test.each([
    ['postgresql://owner:hunter2@10.0.0.1/db', 'hunter2'],
    ['Authorization: Bearer abcdef', 'abcdef'],
    [`SCRAM-SHA-256$4096:c2FsdA==$xx:yy`, 'c2FsdA'],
    ['-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----', 'MC4CAQ'],
    [`token ${'aB3_'.repeat(8)}`, 'aB3_'],
  ])('takes the secret out of %j', (text, secret) => {
    expect(scrub(text)).not.toContain(secret);
    expect(scrub(text)).toContain('[secret]');
  });

  test('leaves ids and words, and cuts what is long', () => {
    expect(scrub('db-sjjetqgrp2z6l337tvub of host-1')).toBe('db-sjjetqgrp2z6l337tvub of host-1');
    expect(scrub('word '.repeat(200))).toHaveLength(300);
  });
});
