/** The host agents of the stack: starting, adopting, finding and stopping them. */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonClient } from '../lib/json-client.ts';
import { AppError } from '../model/errors.ts';
import { hostCommand, hostName, hostUrl, type Plan } from './commands.ts';
import { runFolderOf, volumeOf } from './home.ts';
import { findOccupants } from './occupants.ts';
import {
  childrenOf,
  descendantsOf,
  identify,
  isAlive,
  processesOfMain,
  signal,
  wasStartedWith,
  type ProcessId,
} from './process-table.ts';
import { waitReady } from './ready.ts';
import type { ProcessRecords } from './records.ts';
import type { Supervisor } from './supervisor.ts';

/** Suspending what runs on a host, in order; what is later is killed and recovers at its next start. */
const SHUTDOWN_MS = 4_500;
const GRACE_MS = 3_500;
const AGENT_STOP_MS = 1_000;

export interface HostDeps {
  readonly plan: Plan;
  readonly supervisor: Supervisor;
  /** With the operator's token for agents. */
  readonly client: JsonClient;
}

/** Hosts in namespaces that an earlier runner made in the same way: they are other machines to us. */
export function adoptableHosts(plan: Plan, records: ProcessRecords): readonly string[] {
  if (!plan.namespaces) return [];
  return plan.ports.hosts.flatMap((_, index) => {
    const { name, spec } = hostCommand(plan, index);
    const record = records[name];
    return record !== undefined && record.spec === spec && isAlive(record) ? [name] : [];
  });
}

/**
 * Starts or adopts a host and waits for its agent.
 * @throws ConfigError if the agent does not become ready.
 */
export async function startHost(
  deps: HostDeps,
  index: number,
  adopt: ProcessId | undefined,
  failed: AbortSignal,
): Promise<void> {
  const command = hostCommand(deps.plan, index);
  if (adopt === undefined) await deps.supervisor.start(command);
  else deps.supervisor.adopt(command, adopt);
  const url = hostUrl(deps.plan, index);
  await waitReady(deps.client, { ...command, url, signal: failed });
}

/** The agent's own process; of a host in namespaces the supervisor knows their maker. */
export function agentOf(deps: Omit<HostDeps, 'client'>, index: number): ProcessId | undefined {
  const name = hostName(index);
  const id = deps.supervisor.find(name);
  if (id === undefined || !deps.plan.namespaces) return id;
  return processesOfMain('host/main.js', deps.plan.home.watch).find(({ pid }) =>
    wasStartedWith(pid, 'PILOTLIGHT_HOST_ID', name),
  );
}

/** All that a host runs. Postgres outlives its agent, so that not all of it has that among its ancestors. */
export function processesOfHost(
  { plan, supervisor }: Omit<HostDeps, 'client'>,
  index: number,
): readonly ProcessId[] {
  const id = supervisor.find(hostName(index));
  const started = id === undefined ? [] : [...descendantsOf(id.pid), id];
  const directories = realpathSync(join(volumeOf(plan.home), 'directories'));
  const postgres = findOccupants(directories, runFolderOf(plan.home, index + 1));
  return [...postgres.flatMap(({ pid }) => identify(pid) ?? []), ...started];
}

/** Suspends what runs on a host; its agent takes no new work from now on. */
export async function shutDownHost(deps: HostDeps, index: number): Promise<void> {
  try {
    const url = `${hostUrl(deps.plan, index)}/v1/shutdown`;
    await deps.client.call(url, { body: { grace_ms: GRACE_MS }, timeoutMs: SHUTDOWN_MS });
  } catch (error) {
    // An agent that is down or slow: its Postgres are killed in the end, and recover at their start.
    if (!(error instanceof AppError)) throw error;
  }
}

/** Ends a host's agent, and its namespaces. */
export async function stopHost(deps: HostDeps, index: number): Promise<void> {
  const name = hostName(index);
  const id = deps.supervisor.find(name);
  const stopping = deps.supervisor.stop(name, 'SIGTERM', AGENT_STOP_MS);
  // The maker of namespaces takes no SIGTERM; their first process does.
  if (deps.plan.namespaces && id !== undefined)
    for (const init of childrenOf(id.pid)) signal(init, 'SIGTERM');
  await stopping;
}
