/**
 * What this api instance remembers of the fleet: every agent sends its whole state to every instance
 * each second, so that a running database is routed from memory, and a host that has fallen silent
 * gets no new work. Nothing here is the truth; it says what was said last.
 */
import { HOST_SILENT_MS } from './limits.ts';
import { isNewer, type Version } from './version.ts';
import { countOf, slotsOf, type Slots } from './slots.ts';
import type { Address, HostReport, Incarnation } from './wire.ts';

export interface Running extends Version {
  readonly database: string;
  readonly host: string;
  readonly epoch: number;
  readonly address: Address;
}

interface HostMemory extends Version {
  readonly url: string;
  readonly slots: Slots;
  readonly syncToken?: string | undefined;
  /** Slots that may be vacant: as of the last report, less what was started since. */
  free: number;
  readonly heardAt: number;
  /** The newest version that the index is known to hold. */
  indexed: Version | undefined;
}

const NEVER: Version = { boot: 0, version: -1 };
/** Of a host that is only known not to answer. */
const SILENT = { ...NEVER, url: '', slots: {}, free: 0, heardAt: -Infinity, indexed: undefined };

export type Fleet = ReturnType<typeof createFleet>;

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const drawn = items.map((item) => ({ item, lot: random() }));
  return drawn.sort((a, b) => a.lot - b.lot).map(({ item }) => item);
}

function runningOf({ host, boot, version, slots }: HostReport): Running[] {
  return slots.flatMap(({ state, database, epoch, address }) =>
    state === 'running' && database !== undefined && address !== undefined
      ? [{ database, host, epoch, address, boot, version }]
      : [],
  );
}

interface Memory {
  readonly taken: { warm: number; vacant: number };
  readonly hosts: Map<string, HostMemory>;
  readonly databases: Map<string, Running>;
  /** Databases last said to run on a host, so that its next report can take them back. */
  readonly byHost: Map<string, Set<string>>;
  /** Ended epochs that a report from before their end may still list. */
  readonly over: Map<string, Version & { readonly host: string; readonly epoch: number }>;
  /** Of starts that were answered and that the index is just hearing of, by database. */
  readonly telling: Map<string, Promise<unknown>>;
}

function drop(memory: Memory, running: Running): void {
  memory.databases.delete(running.database);
  memory.byHost.get(running.host)?.delete(running.database);
}

function put(memory: Memory, running: Running): void {
  const known = memory.databases.get(running.database);
  if (known !== undefined && known.epoch > running.epoch) return;
  if ((memory.over.get(running.database)?.epoch ?? 0) >= running.epoch) return;
  if (known !== undefined) drop(memory, known);
  memory.databases.set(running.database, running);
  const on = memory.byHost.get(running.host) ?? new Set();
  on.add(running.database);
  memory.byHost.set(running.host, on);
}

/** A database's absence takes it back only if it was last heard of before this report. */
function takeRunning(memory: Memory, report: HostReport): void {
  for (const [id, end] of memory.over)
    if (end.host === report.host && !isNewer(end, report)) memory.over.delete(id);
  const now = runningOf(report);
  const listed = new Set(now.map((running) => running.database));
  for (const id of [...(memory.byHost.get(report.host) ?? [])]) {
    const known = memory.databases.get(id);
    if (known !== undefined && !listed.has(id) && isNewer(report, known)) drop(memory, known);
  }
  for (const running of now) put(memory, running);
}

function hear(memory: Memory, report: HostReport, now: number): boolean {
  const known = memory.hosts.get(report.host);
  const newer = isNewer(report, known ?? NEVER);
  if (newer) takeRunning(memory, report);
  const latest = newer || known === undefined ? report : known;
  const slots = newer || known === undefined ? slotsOf(report) : known.slots;
  if (known !== undefined && known.url !== '') {
    memory.taken.vacant += countOf(known.slots, 'vacant') - countOf(slots, 'vacant');
    memory.taken.warm += Math.max(countOf(known.slots, 'warm') - countOf(slots, 'warm'), 0);
  }
  memory.hosts.set(report.host, {
    url: report.url,
    slots,
    syncToken: report.sync_token,
    free: newer || known === undefined ? countOf(slots, 'vacant') : known.free,
    boot: latest.boot,
    version: latest.version,
    heardAt: now,
    indexed: known?.indexed,
  });
  return isNewer(report, known?.indexed ?? NEVER);
}

function noteIndexed(memory: Memory, host: string, version: Version | undefined): void {
  const known = memory.hosts.get(host);
  if (known !== undefined) known.indexed = version;
}

export function createFleet(random: () => number) {
  const memory: Memory = {
    taken: { warm: 0, vacant: 0 },
    hosts: new Map(),
    databases: new Map(),
    byHost: new Map(),
    over: new Map(),
    telling: new Map(),
  };
  const hostsOf = (now: number, live: boolean): [string, HostMemory][] =>
    [...memory.hosts].filter(([, { heardAt }]) => now - heardAt < HOST_SILENT_MS === live);
  return {
    /** Remembers a report. @returns whether the index has to hear of it. */
    hear: (report: HostReport, now: number): boolean => hear(memory, report, now),
    /** The index has taken this version. */
    indexed: (host: string, { boot, version }: Version): void =>
      noteIndexed(memory, host, { boot, version }),
    /** The index has asked for a resync of this host. */
    resync: (host: string): void => noteIndexed(memory, host, undefined),
    syncTokenOf: (host: string): string | undefined => memory.hosts.get(host)?.syncToken,
    urlOf: (host: string): string | undefined => memory.hosts.get(host)?.url || undefined,
    /** Hosts heard of lately, in random order; of the first two the one with more room comes first. */
    liveHosts(now: number): string[] {
      const live = shuffle(hostsOf(now, true), random);
      const [one, two] = live;
      if (one !== undefined && two !== undefined && two[1].free > one[1].free)
        live.splice(0, 2, two, one);
      return live.map(([host]) => host);
    },
    /** All others that are known. */
    silentHosts: (now: number): string[] => hostsOf(now, false).map(([host]) => host),
    isSilent: (host: string, now: number): boolean =>
      now - (memory.hosts.get(host)?.heardAt ?? now) >= HOST_SILENT_MS,
    /** A call to this host failed: it gets no new work until it is heard again. */
    suspect(host: string): void {
      const known = memory.hosts.get(host) ?? SILENT;
      memory.hosts.set(host, { ...known, heardAt: SILENT.heardAt });
    },
    /** Slots that were taken between reports: warm ones that have gone, vacant ones less those vacated. */
    taken: (): Readonly<Memory['taken']> => memory.taken,
    /** Slots of the live hosts, by host. */
    slots: (now: number): Slots[] => hostsOf(now, true).map(([, { slots }]) => slots),
    running: (database: string): Running | undefined => memory.databases.get(database),
    /** The agent answered an attach or create. */
    started(host: string, { database, epoch, address, boot, version }: Incarnation): void {
      const known = memory.hosts.get(host);
      if (known !== undefined) known.free -= 1;
      put(memory, { database, host, epoch, address, boot, version });
    },
    /** The index is told of a start that was answered. */
    telling(database: string, done: Promise<unknown>): void {
      memory.telling.set(database, done);
      void done.finally(
        () => memory.telling.get(database) === done && memory.telling.delete(database),
      );
    },
    /** Waits until the index has been told of what this instance answered. */
    told: async (database: string): Promise<void> => void (await memory.telling.get(database)),
    /** This epoch, or an older one, no longer answers; `by` is the host and version that said so. */
    ended(database: string, epoch: number, by?: Version & { readonly host: string }): void {
      const known = memory.databases.get(database);
      if (known !== undefined && known.epoch <= epoch) drop(memory, known);
      if (by !== undefined) memory.over.set(database, { ...by, epoch });
    },
    size: () => ({ hosts: memory.hosts.size, running: memory.databases.size }),
  };
}
