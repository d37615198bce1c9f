/** What an api instance remembers of the fleet. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { createFleet, type Fleet } from '../../model/fleet.ts';
import { HOST_SILENT_MS } from '../../model/limits.ts';
import type { HostReport, Incarnation, SlotReport } from '../../model/wire.ts';

const DATABASE = 'db-aaaaaaaaaaaaaaaaaaaa';
const address = { socket: '/run/x', port: 5432 };

const running = (epoch: number): SlotReport => ({
  size: 'small',
  slot: 1,
  state: 'running',
  directory: 'aaaaaaaaaaaaaaaa',
  database: DATABASE,
  epoch,
  address,
});

const report = (version: number, slots: SlotReport[] = [], host = 'host-1'): HostReport => ({
  host,
  url: `http://${host}`,
  boot: 1,
  version,
  capacity: { small: 2 },
  slots,
  volume: { id: 'v', kind: 'shared', free_bytes: 1, total_bytes: 1 },
});

const incarnation = (epoch: number, version: number): Incarnation => ({
  database: DATABASE,
  directory: 'aaaaaaaaaaaaaaaa',
  epoch,
  boot: 1,
  version,
  address,
});

let fleet: Fleet;
beforeEach(() => {
  fleet = createFleet(() => 0.5);
});

describe('a report', () => {
  it('has to reach the index until the index has taken it, and again after a resync', () => {
    expect(fleet.hear(report(1), 0)).toBe(true);
    expect(fleet.hear(report(1), 1)).toBe(true);
    fleet.indexed('host-1', { boot: 1, version: 1 });
    expect(fleet.hear(report(1), 2)).toBe(false);
    expect(fleet.hear(report(2), 3)).toBe(true);
    fleet.indexed('host-1', { boot: 1, version: 2 });
    fleet.resync('host-1');
    expect(fleet.hear(report(2), 4)).toBe(true);
  });

  it('makes a database known and its absence makes it unknown', () => {
    fleet.hear(report(1, [running(3)]), 0);
    expect(fleet.running(DATABASE)).toMatchObject({ host: 'host-1', epoch: 3, address });
    fleet.hear(report(2), 1);
    expect(fleet.running(DATABASE)).toBeUndefined();
  });

  it('that is older than an attach does not take the database back', () => {
    fleet.hear(report(1), 0);
    fleet.started('host-1', incarnation(3, 5));
    fleet.hear(report(4), 1);
    expect(fleet.running(DATABASE)?.epoch).toBe(3);
    fleet.hear(report(6), 2);
    expect(fleet.running(DATABASE)).toBeUndefined();
  });

  it('that comes late changes nothing but when the host was heard', () => {
    fleet.hear(report(5, [running(3)]), 0);
    fleet.hear(report(4), HOST_SILENT_MS);
    expect(fleet.running(DATABASE)?.epoch).toBe(3);
    expect(fleet.liveHosts(HOST_SILENT_MS + 1)).toEqual(['host-1']);
  });

  it('of an older epoch on another host does not hide the newer one', () => {
    fleet.hear(report(1, [running(4)], 'host-2'), 0);
    fleet.hear(report(1, [running(3)], 'host-1'), 0);
    expect(fleet.running(DATABASE)).toMatchObject({ host: 'host-2', epoch: 4 });
  });

  it('without a database that has moved to another host does not take it back there', () => {
    fleet.hear(report(1, [running(3)], 'host-1'), 0);
    fleet.hear(report(1, [running(4)], 'host-2'), 0);
    fleet.hear(report(2, [], 'host-1'), 1);
    expect(fleet.running(DATABASE)).toMatchObject({ host: 'host-2', epoch: 4 });
  });
});

describe('hosts', () => {
  it('that fell silent or failed a call get no work until they are heard again', () => {
    fleet.hear(report(1), 0);
    fleet.hear(report(1, [], 'host-2'), 0);
    expect(fleet.liveHosts(1).toSorted()).toEqual(['host-1', 'host-2']);
    fleet.suspect('host-2');
    expect(fleet.liveHosts(1)).toEqual(['host-1']);
    fleet.hear(report(1, [], 'host-2'), 2);
    expect(fleet.liveHosts(3).toSorted()).toEqual(['host-1', 'host-2']);
    expect(fleet.liveHosts(HOST_SILENT_MS + 1)).toEqual(['host-2']);
  });

  it('that nobody heard of have no address, and nothing breaks for them', () => {
    expect(fleet.urlOf('host-9')).toBeUndefined();
    fleet.resync('host-9');
    fleet.suspect('host-9');
    fleet.indexed('host-9', { boot: 1, version: 1 });
    expect(fleet.size()).toEqual({ hosts: 1, running: 0 });
    expect(fleet.slots(1)).toEqual([]);
  });

  it('that do not answer are told apart from those that do, heard of or not', () => {
    fleet.hear(report(1), 0);
    fleet.hear(report(1, [], 'host-2'), 0);
    fleet.suspect('host-2');
    fleet.suspect('host-9');
    expect(fleet.silentHosts(1)).toEqual(['host-2', 'host-9']);
    const isSilent = (host: string, now: number): boolean => fleet.isSilent(host, now);
    expect(['host-1', 'host-2', 'host-9', 'host-10'].filter((host) => isSilent(host, 1))).toEqual([
      'host-2',
      'host-9',
    ]);
    expect(isSilent('host-1', HOST_SILENT_MS)).toBe(true);
    fleet.hear(report(1, [], 'host-9'), 2);
    expect(fleet.silentHosts(3)).toEqual(['host-2']);
    expect(fleet.urlOf('host-9')).toBe('http://host-9');
    // What it had before it was heard of is no demand.
    expect(fleet.taken()).toEqual({ warm: 0, vacant: 0 });
  });

  it('with more room come first of two, whichever is drawn first', () => {
    for (const draw of [0, 0.99]) {
      fleet = createFleet(() => draw);
      fleet.hear(report(1, [running(3)], 'host-1'), 0);
      fleet.hear(report(1, [], 'host-2'), 0);
      expect(fleet.liveHosts(1)).toEqual(['host-2', 'host-1']);
      // What was started since the last report takes room as well.
      fleet.started('host-2', incarnation(4, 2));
      fleet.started('host-2', { ...incarnation(4, 2), database: 'db-b' });
      expect(fleet.liveHosts(1)).toEqual(['host-1', 'host-2']);
    }
  });
});

describe('the token of a report', () => {
  it('is that of the newest one, also where nothing else has changed', () => {
    expect(fleet.syncTokenOf('host-1')).toBeUndefined();
    fleet.hear({ ...report(1), sync_token: 'a' }, 0);
    fleet.hear({ ...report(1), sync_token: 'b' }, 1);
    expect(fleet.syncTokenOf('host-1')).toBe('b');
  });
});

describe('slots', () => {
  const warm: SlotReport = { size: 'small', slot: 2, state: 'warm', directory: 'w', epoch: 1 };

  it('are counted for each live host, and what is taken between reports in all', () => {
    fleet.hear(report(1, [warm]), 0);
    expect(fleet.slots(1)).toEqual([{ small: { vacant: 1, warm: 1, assigned: 0 } }]);
    fleet.hear(report(2, [{ ...running(1), slot: 2 }]), 1);
    expect(fleet.taken()).toEqual({ warm: 1, vacant: 0 });
    fleet.hear(report(3, [{ ...running(1), slot: 2 }, running(2)]), 2);
    expect(fleet.taken()).toEqual({ warm: 1, vacant: 1 });
    fleet.hear(report(4, [warm]), 3);
    expect(fleet.taken()).toEqual({ warm: 1, vacant: 0 });
    expect(fleet.slots(HOST_SILENT_MS + 9)).toEqual([]);
  });
});

describe('the end of an epoch', () => {
  it('forgets this epoch and older ones, not a newer one', () => {
    fleet.started('host-1', incarnation(3, 1));
    fleet.ended(DATABASE, 2);
    expect(fleet.running(DATABASE)?.epoch).toBe(3);
    fleet.ended(DATABASE, 3);
    expect(fleet.running(DATABASE)).toBeUndefined();
  });

  it('is not undone by a report from before it, however late that comes', () => {
    fleet.started('host-1', incarnation(3, 1));
    fleet.ended(DATABASE, 3, { host: 'host-1', boot: 1, version: 4 });
    fleet.hear(report(3, [running(3)]), 0);
    expect(fleet.running(DATABASE)).toBeUndefined();
    fleet.started('host-1', incarnation(4, 5));
    expect(fleet.running(DATABASE)?.epoch).toBe(4);
  });

  it('is remembered until its host reports as of then, so that another host may say otherwise', () => {
    fleet.ended(DATABASE, 3, { host: 'host-1', boot: 1, version: 4 });
    fleet.hear(report(9, [], 'host-2'), 0);
    fleet.hear(report(3, [running(3)]), 0);
    expect(fleet.running(DATABASE)).toBeUndefined();
    fleet.hear(report(4), 1);
    // As after a new index, whose epochs begin anew: what a host says then is all there is to go by.
    fleet.hear(report(5, [running(3)]), 2);
    expect(fleet.running(DATABASE)?.epoch).toBe(3);
  });
});

describe('what the index is told of a start', () => {
  it('is waited for, and only while it is under way', async () => {
    const seen: string[] = [];
    let done = (): void => undefined;
    fleet.telling(DATABASE, new Promise<void>((resolve) => (done = resolve)));
    const told = fleet.told(DATABASE).then(() => seen.push('told'));
    await fleet.told('db-b');
    seen.push('of another there is nothing to wait for');
    done();
    await told;
    expect(seen).toEqual(['of another there is nothing to wait for', 'told']);
  });

  it('is the newest: the end of an earlier one does not hide it', async () => {
    const seen: string[] = [];
    let first = (): void => undefined;
    let second = (): void => undefined;
    fleet.telling(DATABASE, new Promise<void>((resolve) => (first = resolve)));
    fleet.telling(DATABASE, new Promise<void>((resolve) => (second = resolve)));
    first();
    await new Promise(setImmediate);
    const told = fleet.told(DATABASE).then(() => seen.push('told'));
    await new Promise(setImmediate);
    expect(seen).toEqual([]);
    second();
    await told;
    await new Promise(setImmediate);
    await fleet.told(DATABASE);
  });
});
