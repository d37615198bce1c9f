/** What keeps a start without an epoch from coming late. */
import { expect, test } from '@jest/globals';
import { checkSyncToken, makeSyncToken } from '../../host/sync-token.ts';

test('a token is good for 20 s, and with the agent that made it', () => {
  const token = makeSyncToken(7, 1_000);
  expect(() => checkSyncToken(token, 7, 1_000)).not.toThrow();
  expect(() => checkSyncToken(token, 7, 20_999)).not.toThrow();
  expect(() => checkSyncToken(token, 7, 21_000)).toThrow('under way for too long');
  expect(() => checkSyncToken(token, 8, 1_000)).toThrow('under way for too long');
});

test.each(['', '7', '7.x', 'x.1000', '.'])('%j is none', (token) => {
  expect(() => checkSyncToken(token, 7, 1_000)).toThrow('under way for too long');
});
