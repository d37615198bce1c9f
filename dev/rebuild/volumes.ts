/** What the hosts say: who answers, and the documents of their volumes in one order of ids. */
import type { IdentityPage, ListedIdentity } from '../../host/contract.ts';
import type { JsonClient } from '../../lib/json-client.ts';
import { codeOf } from '../../model/errors.ts';
import type { Identity } from '../../model/identity.ts';
import { AGENT_CALL_MS_MAX } from '../../model/limits.ts';
import type { HostReport } from '../../model/wire.ts';

/** A page is read from a disk that starts are waiting for as well. */
const PAGE_MS_MAX = 30_000;
/** A host that is asked once may be restarting. */
const TRIES = 2;

export interface RebuildHost {
  readonly id: string;
  readonly url: string;
  readonly client: JsonClient;
}

/** By host; of those that do not answer nothing. */
export type Reports = ReadonlyMap<RebuildHost, HostReport>;

async function call<T>(host: RebuildHost, path: string, timeoutMs: number): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await host.client.call<T>(`${host.url}/v1/${path}`, { timeoutMs });
    } catch (error) {
      if (tries === TRIES || codeOf(error) !== 'unavailable') throw error;
    }
  }
}

/** The state of each host that answers. @throws AppError if one refuses: its token is wrong. */
export async function askHosts(hosts: readonly RebuildHost[]): Promise<Reports> {
  const reports = new Map<RebuildHost, HostReport>();
  const ask = async (host: RebuildHost): Promise<void> => {
    try {
      reports.set(host, await call<HostReport>(host, 'state', AGENT_CALL_MS_MAX));
    } catch (error) {
      if (codeOf(error) !== 'unavailable') throw error;
    }
  };
  await Promise.all(hosts.map(ask));
  return reports;
}

/** By volume, the hosts that can read it. */
export function volumesOf(reports: Reports): readonly (readonly RebuildHost[])[] {
  const volumes = new Map<string, RebuildHost[]>();
  for (const [host, { volume }] of reports)
    volumes.set(volume.id, [...(volumes.get(volume.id) ?? []), host]);
  return [...volumes.values()];
}

/** The first of them that answers. @throws what the last of them says. */
async function askAny<T>(hosts: readonly RebuildHost[], path: string, timeoutMs: number) {
  let last: unknown;
  for (const host of hosts) {
    try {
      return { host, answer: await call<T>(host, path, timeoutMs) };
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

export interface Listed extends ListedIdentity {
  /** That speaks of it. */
  readonly host: string;
}

/** All documents with ids above `after`, up to and with `upto`; null: to the end. */
export interface Range {
  readonly after: string;
  readonly upto: string | null;
  readonly listed: readonly Listed[];
  readonly damaged: readonly string[];
  readonly hosts: readonly string[];
}

/**
 * The next range, a page of each volume at the most.
 * @throws AppError if a volume is there and none of its hosts can read it.
 */
export async function readRange(
  volumes: readonly (readonly RebuildHost[])[],
  after: string,
): Promise<Range> {
  const path = after === '' ? 'identities' : `identities/${after}`;
  const pages = await Promise.all(
    volumes.map((hosts) => askAny<IdentityPage>(hosts, path, PAGE_MS_MAX)),
  );
  const [upto = null] = pages.flatMap(({ answer }) => answer.next ?? []).sort();
  const isWithin = (id: string): boolean => upto === null || id <= upto;
  const listed = pages.flatMap(({ host, answer }) =>
    answer.identities.map((one): Listed => ({ ...one, host: host.id })),
  );
  return {
    ...{ after, upto },
    listed: listed.filter(({ identity }) => isWithin(identity.id)),
    damaged: pages.flatMap(({ answer }) => answer.damaged).filter(isWithin),
    hosts: [...new Set(pages.flatMap(({ answer }) => answer.hosts))],
  };
}

/** Whether a volume has a document of this database by now. @throws AppError if none can say. */
export async function hasDocument(
  volumes: readonly (readonly RebuildHost[])[],
  database: string,
): Promise<boolean> {
  for (const hosts of volumes) {
    try {
      await askAny<Identity>(hosts, `identity/${database}`, AGENT_CALL_MS_MAX);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'database_not_found') throw error;
    }
  }
  return false;
}
