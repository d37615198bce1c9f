import { describe, expect, it } from '@jest/globals';
import type { Look } from '../../db/tenant/look.ts';
import {
  afterLook,
  dueNow,
  FIRST_SESSION_MS,
  judge,
  newWatch,
  seeConnections,
  type IdlePolicy,
} from '../../host/idle-rule.ts';

const policy = (over: Partial<IdlePolicy> = {}): IdlePolicy => ({
  idle_ms: 10_000,
  idle_sessions: 'close',
  ignore: [],
  ...over,
});

const look = (over: Partial<Look> = {}): Look => ({
  clients: 0,
  logged_in: 0,
  ignored: 0,
  working: 0,
  quiet_ms: null,
  prepared: 0,
  walsenders: 0,
  autovacuum: 0,
  active_ms: 100,
  sessions: 5,
  ...over,
});

describe('a look', () => {
  it.each<readonly [string, Partial<Look>, string]>([
    ['nobody there', {}, 'idle'],
    ['a session at work', { clients: 1, working: 1 }, 'active'],
    ['a prepared transaction', { prepared: 1 }, 'active'],
    ['a walsender', { walsenders: 1 }, 'active'],
    ['autovacuum alone', { autovacuum: 1 }, 'delay'],
    ['a session that has just done something', { clients: 1, quiet_ms: 9_999 }, 'active'],
    ['a session that sits idle for as long', { clients: 1, quiet_ms: 10_000 }, 'idle'],
  ])('finds %s', (_, seen, verdict) => {
    expect(judge(look(seen), policy(), seen.clients ?? 0, undefined)).toBe(verdict);
  });

  it('finds a session at work that has just got in, however short the idle time', () => {
    const none = policy({ idle_ms: 0 });
    expect(judge(look({ clients: 1, quiet_ms: 999 }), none, 1, undefined)).toBe('active');
    expect(judge(look({ clients: 1, quiet_ms: 1_000 }), none, 1, undefined)).toBe('idle');
  });

  it('finds somebody who is just getting in', () => {
    expect(judge(look(), policy(), 1, undefined)).toBe('active');
  });

  it('finds what came and went since the baseline, by either number', () => {
    const baseline = { active_ms: 100, sessions: 5 };
    expect(judge(look(), policy(), 0, baseline)).toBe('idle');
    expect(judge(look({ sessions: 6 }), policy(), 0, baseline)).toBe('active');
    expect(judge(look({ active_ms: 101 }), policy(), 0, baseline)).toBe('active');
    // Whose it was nobody knows any more, once some are to be ignored.
    expect(judge(look({ sessions: 6 }), policy({ ignore: ['x'] }), 0, baseline)).toBe('idle');
  });

  it('keeps idle sessions where they are to be kept, but not ignored ones', () => {
    const keep = policy({ idle_sessions: 'keep', ignore: ['monitor'] });
    const resting = { clients: 2, quiet_ms: 60_000 };
    expect(judge(look({ ...resting, ignored: 1 }), keep, 2, undefined)).toBe('active');
    expect(judge(look({ ...resting, ignored: 2, quiet_ms: null }), keep, 2, undefined)).toBe(
      'idle',
    );
  });
});

describe('the idle time', () => {
  it('begins anew with every session that comes or goes', () => {
    let watch = seeConnections(newWatch(0), policy(), 0, 1_000);
    watch = seeConnections(watch, policy(), 1, 2_000);
    expect(watch.activeAt).toBe(2_000);
    watch = seeConnections(watch, policy(), 1, 3_000);
    expect(watch.activeAt).toBe(2_000);
    watch = seeConnections(watch, policy(), 0, 4_000);
    expect(dueNow(watch, policy(), 13_999)).not.toBe('suspend');
    expect(dueNow(watch, policy(), 14_000)).toBe('suspend');
  });

  it('takes a baseline at half of it, once, and only where nobody is connected', () => {
    let watch = seeConnections(newWatch(0), policy(), 0, 0);
    expect(dueNow(watch, policy(), 4_999)).toBe('nothing');
    expect(dueNow(watch, policy(), 5_000)).toBe('baseline');
    watch = afterLook(watch, look(), 'idle', 5_000);
    expect(dueNow(watch, policy(), 6_000)).toBe('nothing');
    const connected = seeConnections(watch, policy(), 1, 6_000);
    expect(dueNow(connected, policy(), 12_000)).toBe('nothing');
  });

  it('gives the first session its time, however short the idle time is', () => {
    const none = seeConnections(newWatch(0), policy({ idle_ms: 0 }), 0, 100);
    expect(dueNow(none, policy({ idle_ms: 0 }), FIRST_SESSION_MS - 1)).not.toBe('suspend');
    expect(dueNow(none, policy({ idle_ms: 0 }), FIRST_SESSION_MS)).toBe('suspend');
  });

  it('of zero ends with the last session, and closes none', () => {
    const zero = policy({ idle_ms: 0 });
    const one = seeConnections(seeConnections(newWatch(0), zero, 0, 1), zero, 1, 1_000);
    expect(dueNow(one, zero, 99_000)).toBe('nothing');
    expect(dueNow(seeConnections(one, zero, 0, 100_000), zero, 100_000)).toBe('suspend');
  });

  it('does not run while a session is to be kept', () => {
    const keep = policy({ idle_sessions: 'keep' });
    let watch = seeConnections(newWatch(0), keep, 1, 1_000);
    watch = seeConnections(watch, keep, 1, 50_000);
    expect(dueNow(watch, keep, 50_500)).toBe('nothing');
  });

  it('goes on from what a look found: the last thing a session did', () => {
    const watch = seeConnections(newWatch(0), policy(), 1, 0);
    const seen = look({ clients: 1, quiet_ms: 4_000 });
    const after = afterLook(watch, seen, 'active', 10_000);
    expect(dueNow(after, policy(), 15_999)).toBe('nothing');
    expect(dueNow(after, policy(), 16_000)).toBe('suspend');
    const working = afterLook(
      watch,
      look({ clients: 1, working: 1, quiet_ms: 9_000 }),
      'active',
      10_000,
    );
    expect(dueNow(working, policy(), 19_999)).toBe('nothing');
  });

  it('is looked at again a little later where autovacuum delays it', () => {
    const watch = afterLook(newWatch(0), look({ autovacuum: 1 }), 'delay', 20_000);
    expect(dueNow(watch, policy(), 20_001)).toBe('nothing');
    expect(dueNow(watch, policy(), 25_000)).toBe('suspend');
  });
});
