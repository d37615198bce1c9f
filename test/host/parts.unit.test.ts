import { describe, expect, it } from '@jest/globals';
import { complaintOf, saysNoRoom } from '../../host/complaint.ts';
import { createStillness } from '../../host/heartbeat.ts';
import { firstOf, isAfter, parseSegment, segmentName } from '../../host/segments.ts';
import { settingsOf } from '../../host/postgres.ts';
import { createQueues } from '../../host/queues.ts';
import { createSlots } from '../../host/slots.ts';
import { countConnections } from '../../host/sockets.ts';
import { mayRestart } from '../../host/supervise.ts';
import { uidRangeOf } from '../../host/uids.ts';
import { CRASH_RESTARTS_MAX, CRASH_WINDOW_MS, HEARTBEAT_LOST_MS } from '../../model/limits.ts';

describe('a segment of the journal', () => {
  const event = { host: 'h', boot: 1, seq: 1, kind: 'started' };
  const line = `${JSON.stringify(event)}\n`;

  it('is read up to a last line that a crash tore', () => {
    expect(parseSegment(line + line)).toEqual([event, event]);
    for (let at = 0; at < line.length; at++)
      expect(parseSegment(line + line.slice(0, at))).toEqual([event]);
    expect(parseSegment(`${line}\0\0\0\n${line}`)).toEqual([event]);
  });

  it('has a name that sorts as its events do', () => {
    const first = { boot: 9, seq: 1_000 };
    const later = { boot: 10, seq: 1 };
    expect(firstOf(segmentName(first))).toEqual(first);
    expect(segmentName(first) < segmentName(later)).toBe(true);
    expect(isAfter(later, first) && !isAfter(first, later) && !isAfter(first, first)).toBe(true);
    expect(firstOf('00000001-000000000001.jsonl.acked')).toBeUndefined();
  });
});

describe('the heartbeats of others', () => {
  it('stand still after 8 s by our own clock without a change, whatever they name', () => {
    let now = 1_000_000;
    const stillness = createStillness(() => now);
    stillness.see('a', '1 1');
    expect(stillness.hasStoodStill('a')).toBe(false);
    now += HEARTBEAT_LOST_MS - 1;
    expect(stillness.hasStoodStill('a')).toBe(false);
    stillness.see('a', '1 2');
    now += HEARTBEAT_LOST_MS - 1;
    stillness.see('a', '1 2');
    expect(stillness.hasStoodStill('a')).toBe(false);
    now += 1;
    expect(stillness.hasStoodStill('a')).toBe(true);
  });

  it('of a host without a file count from the moment that we watch', () => {
    let now = 0;
    const stillness = createStillness(() => now);
    expect(stillness.hasStoodStill('b')).toBe(false);
    now = HEARTBEAT_LOST_MS;
    expect(stillness.hasStoodStill('b')).toBe(true);
  });
});

describe('slots', () => {
  const slot = { size: 'small', slot: 1, state: 'starting', directory: '', epoch: 0 } as const;

  it('count every change, and are not reported before their directory is known', () => {
    const slots = createSlots({ small: 2 }, 5);
    slots.occupy(slot);
    expect(slots.version()).toEqual({ boot: 5, version: 1 });
    expect(slots.report()).toEqual([]);
    expect(slots.update({ ...slot, directory: 'd', epoch: 1 })).toEqual({ boot: 5, version: 2 });
    expect(slots.report()).toHaveLength(1);
    expect(slots.vacate(slot)).toEqual({ boot: 5, version: 3 });
    expect(slots.bump()).toEqual({ boot: 5, version: 4 });
  });

  it('are refused when taken, and when there are no such', () => {
    const slots = createSlots({ small: 2 }, 1);
    slots.occupy(slot);
    expect(() => slots.occupy(slot)).toThrow(expect.objectContaining({ code: 'slot_taken' }));
    for (const ref of [{ slot: 0 }, { slot: 3 }, { size: 'medium' as const }])
      expect(() => slots.occupy({ ...slot, ...ref })).toThrow(
        expect.objectContaining({ code: 'bad_request' }),
      );
    expect(slots.vacant('small')).toBe(2);
    slots.occupy({ ...slot, slot: 2 });
    expect(slots.vacant('small')).toBeUndefined();
  });
});

describe('queues', () => {
  it('run what has one name in order, and go on after a failure', async () => {
    const queues = createQueues();
    const order: string[] = [];
    const step =
      (name: string, fails = false) =>
      async (): Promise<void> => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`${name} ends`);
        if (fails) throw new Error(name);
      };
    const failing = queues.run('a', step('1', true));
    const second = queues.run('a', step('2'));
    await expect(failing).rejects.toThrow('1');
    await second;
    await queues.drained();
    expect(order).toEqual(['1 begins', '1 ends', '2 begins', '2 ends']);
  });
});

describe('connections in the socket table', () => {
  it('are the ones that do not listen, by the path of their listener', () => {
    const table = [
      'Num       RefCount Protocol Flags    Type St Inode Path',
      '0000000000000000: 00000002 00000000 00010000 0001 01 101 /run/p/a.1/.s.PGSQL.5432',
      '0000000000000000: 00000003 00000000 00000000 0001 03 102 /run/p/a.1/.s.PGSQL.5432',
      '0000000000000000: 00000003 00000000 00000000 0001 03 103 /run/p/a.1/.s.PGSQL.5432',
      '0000000000000000: 00000003 00000000 00000000 0001 03 104 /run/p/b.1/.s.PGSQL.5432',
      '0000000000000000: 00000003 00000000 00000000 0001 03 105',
      '0000000000000000: 00000003 00000000 00000000 0001 03 106 @abstract',
    ].join('\n');
    expect(Object.fromEntries(countConnections(table))).toEqual({
      '/run/p/a.1/.s.PGSQL.5432': 2,
      '/run/p/b.1/.s.PGSQL.5432': 1,
    });
  });
});

describe("Postgres' own words", () => {
  it('are the last FATAL or PANIC, without paths', () => {
    const log = [
      '2026-11-23 08:00:00 GMT [1] LOG:  starting PostgreSQL 18.4',
      '2026-11-23 08:00:00 GMT [1] FATAL:  could not open file "/srv/x/global/pg_control": no',
    ].join('\n');
    expect(complaintOf(log)).toBe('could not open file (path): no');
    expect(complaintOf('LOG:  all is well')).toBeUndefined();
    expect(complaintOf(`PANIC:  ${'x'.repeat(1_000)}`)).toHaveLength(200);
  });

  it('tell a volume without room from a database that is at fault', () => {
    const full = complaintOf(
      'FATAL:  could not write lock file "postmaster.pid": No space left on device',
    );
    expect(saysNoRoom(full ?? '')).toBe(true);
    expect(saysNoRoom('could not open file (path): Permission denied')).toBe(false);
  });
});

describe('restarts after crashes', () => {
  it('are so many in the window, and more when it has passed', () => {
    const history: number[] = [];
    for (let i = 0; i < CRASH_RESTARTS_MAX; i++) expect(mayRestart(history, i)).toBe(true);
    expect(mayRestart(history, CRASH_WINDOW_MS)).toBe(false);
    expect(mayRestart(history, CRASH_WINDOW_MS + CRASH_RESTARTS_MAX)).toBe(true);
  });
});

describe('unix users', () => {
  it('are taken from above where the namespace maps it, else from below', () => {
    expect(uidRangeOf('         0          0 4294967295\n').min).toBe(100_000);
    expect(uidRangeOf('         0     231072      65536\n')).toEqual({ min: 20_000, max: 60_000 });
  });
});

describe('settings', () => {
  it('weaken nothing that makes data durable', () => {
    const settings = settingsOf('small', '/run/x', { hba: '/h', ident: '/i' });
    for (const name of [
      'fsync',
      'full_page_writes',
      'synchronous_commit',
      'data_checksums',
      'autovacuum',
      'wal_level',
    ])
      expect(settings[name]).toBeUndefined();
    expect(settings).toMatchObject({
      restart_after_crash: 'off',
      listen_addresses: '',
      log_min_error_statement: 'panic',
    });
  });
});
