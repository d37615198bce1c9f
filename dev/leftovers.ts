/**
 * What an earlier runner left behind. The control plane's processes are ended; tenants' Postgres
 * live on, for the new agents to adopt. Processes are found by the records in the home and, since a
 * runner can die between a spawn and its record, by their environment and working folder.
 */
import { join } from 'node:path';
import {
  childrenOf,
  endAll,
  isAlive,
  processesBelow,
  processesWith,
  signal,
  waitGone,
  type ProcessId,
} from './process-table.ts';
import { raiseAgain } from '../lib/priority.ts';
import type { ProcessRecords } from './records.ts';

interface Paths {
  readonly state: string;
  readonly watch: string;
}

const CONTROL_STOP_MS = 5_000;

const without = (ids: readonly ProcessId[], others: readonly ProcessId[]): ProcessId[] =>
  ids.filter((id) => !others.some((other) => other.pid === id.pid));

const controlPlane = (paths: Paths): ProcessId[] => processesWith('PILOTLIGHT_WATCH', paths.watch);

/** The servers of hot and cold: told to stop through their postmasters, since their other processes
 * take the same signals for something else. */
async function stopControlServers(state: string): Promise<void> {
  const all = ['hot', 'cold'].flatMap((name) => processesBelow(join(state, name)));
  const children = all.flatMap((id) => childrenOf(id.pid));
  // Cold Postgres is lowered: where no core is idle, neither signal would end it in time.
  raiseAgain(all.map(({ pid }) => pid));
  for (const postmaster of without(all, children)) signal(postmaster, 'SIGINT');
  await endAll(await waitGone(all, CONTROL_STOP_MS), 'SIGKILL', 1_000);
}

/** A host with namespaces of its own: the one that made them, and the first process in them. */
function namespaceOf(maker: ProcessId): ProcessId[] {
  return [maker, ...childrenOf(maker.pid)];
}

export interface Leftovers {
  /** How many processes were ended. */
  readonly ended: number;
}

/**
 * Ends what the records and /proc show of this home.
 * @param keep names of records whose process may be adopted; it and its first child stay.
 */
export async function clearLeftovers(
  paths: Paths,
  records: ProcessRecords,
  keep: readonly string[],
): Promise<Leftovers> {
  const kept = keep.flatMap((name) => {
    const record = records[name];
    return record === undefined || !isAlive(record) ? [] : namespaceOf(record);
  });
  const recorded = Object.entries(records)
    .filter(([name, record]) => name !== 'hot' && name !== 'cold' && isAlive(record))
    .map(([, record]) => record);
  const scanned = without(controlPlane(paths), recorded);
  const ending = without([...recorded, ...scanned], kept);
  await endAll(ending, 'SIGKILL', 1_000);
  await stopControlServers(paths.state);
  return { ended: ending.length };
}

/**
 * Ends every process that belongs to this home: `all` with the tenants' Postgres.
 * Only for a home that is gone, or as the last step of a stop.
 */
export async function clearProcessesOf(paths: Paths, which: 'all' | 'postgres'): Promise<void> {
  if (which === 'all') await endAll(controlPlane(paths), 'SIGKILL', 1_000);
  await endAll(processesBelow(paths.state), 'SIGKILL', 1_000);
}
