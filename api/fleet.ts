/**
 * What this api instance remembers of the fleet: every agent sends its whole state to every instance
 * each second, so that a running database is routed from memory, and a host that has fallen silent
 * gets no new work. Nothing here is the truth; it says what was said last.
 */
import { HOST_SILENT_MS } from '../model/limits.ts';
import { isNewer, type Version } from '../model/version.ts';
import type { Address, HostReport, Incarnation } from '../model/wire.ts';

export interface Running extends Version {
  readonly database: string;
  readonly host: string;
  readonly epoch: number;
  readonly address: Address;
}

interface HostMemory extends Version {
  readonly url: string;
  readonly heardAt: number;
  /** The newest version that the index is known to hold. */
  indexed: Version | undefined;
}

const NEVER: Version = { boot: 0, version: -1 };

export interface Fleet {
  /** Remembers a report. @returns whether the index has to hear of it. */
  readonly hear: (report: HostReport, now: number) => boolean;
  /** The index has taken this version. */
  readonly indexed: (host: string, version: Version) => void;
  /** The index has asked for a resync of this host. */
  readonly resync: (host: string) => void;
  readonly urlOf: (host: string) => string | undefined;
  /** Hosts heard of lately, in random order. */
  readonly liveHosts: (now: number) => string[];
  /** A call to this host failed: it gets no new work until it is heard again. */
  readonly suspect: (host: string) => void;
  readonly running: (database: string) => Running | undefined;
  /** The agent answered an attach or create. */
  readonly started: (host: string, at: Incarnation) => void;
  /** This epoch, or an older one, no longer answers. */
  readonly ended: (database: string, epoch: number) => void;
  readonly size: () => { readonly hosts: number; readonly running: number };
}

function shuffle<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}

function runningOf(report: HostReport): Running[] {
  const out: Running[] = [];
  for (const slot of report.slots) {
    if (slot.state !== 'running' || slot.database === undefined || slot.address === undefined)
      continue;
    out.push({
      database: slot.database,
      host: report.host,
      epoch: slot.epoch,
      address: slot.address,
      boot: report.boot,
      version: report.version,
    });
  }
  return out;
}

interface Memory {
  readonly hosts: Map<string, HostMemory>;
  readonly databases: Map<string, Running>;
  /** Databases last said to run on a host, so that its next report can take them back. */
  readonly byHost: Map<string, Set<string>>;
}

function drop(memory: Memory, running: Running): void {
  memory.databases.delete(running.database);
  memory.byHost.get(running.host)?.delete(running.database);
}

function put(memory: Memory, running: Running): void {
  const known = memory.databases.get(running.database);
  if (known !== undefined && known.epoch > running.epoch) return;
  if (known !== undefined) drop(memory, known);
  memory.databases.set(running.database, running);
  const on = memory.byHost.get(running.host) ?? new Set();
  on.add(running.database);
  memory.byHost.set(running.host, on);
}

/** A database's absence takes it back only if it was last heard of before this report. */
function takeRunning(memory: Memory, report: HostReport): void {
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
  memory.hosts.set(report.host, {
    url: report.url,
    boot: latest.boot,
    version: latest.version,
    heardAt: now,
    indexed: known?.indexed,
  });
  return isNewer(report, known?.indexed ?? NEVER);
}

function setIndexed(memory: Memory, host: string, version: Version | undefined): void {
  const known = memory.hosts.get(host);
  if (known !== undefined) known.indexed = version;
}

export function createFleet(random: () => number): Fleet {
  const memory: Memory = { hosts: new Map(), databases: new Map(), byHost: new Map() };
  return {
    hear: (report, now) => hear(memory, report, now),
    indexed: (host, { boot, version }) => setIndexed(memory, host, { boot, version }),
    resync: (host) => setIndexed(memory, host, undefined),
    urlOf: (host) => memory.hosts.get(host)?.url,
    liveHosts(now) {
      const live = [...memory.hosts].filter(([, host]) => now - host.heardAt < HOST_SILENT_MS);
      return shuffle(
        live.map(([id]) => id),
        random,
      );
    },
    suspect(host) {
      const known = memory.hosts.get(host);
      if (known !== undefined)
        memory.hosts.set(host, { ...known, heardAt: Number.NEGATIVE_INFINITY });
    },
    running: (database) => memory.databases.get(database),
    started: (host, { database, epoch, address, boot, version }) =>
      put(memory, { database, host, epoch, address, boot, version }),
    ended(database, epoch) {
      const known = memory.databases.get(database);
      if (known !== undefined && known.epoch <= epoch) drop(memory, known);
    },
    size: () => ({ hosts: memory.hosts.size, running: memory.databases.size }),
  };
}
