/** What a running stack consists of, and its two ends: in order, and when its home has vanished. */
import { isMissing } from '../lib/errno.ts';
import { createJsonClient } from '../lib/http-client.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { leaveNoGroup } from '../lib/priority.ts';
import { apiName, proxyName, type Plan } from './commands.ts';
import { raiseCold } from './control.ts';
import { removeEndpoints } from './endpoints.ts';
import { clearVanished, removeHome } from './home.ts';
import { shutDownHost, stopHost } from './hosts.ts';
import { clearProcessesOf } from './leftovers.ts';
import { boundLogs } from './logs.ts';
import type { Management } from './management.ts';
import type { StackOptions } from './plan.ts';
import { writeRecords } from './records.ts';
import { createSupervisor, type Supervisor } from './supervisor.ts';

/** What a process gets to end by itself; all of a stop is to take less than 10 s. */
const PROXY_STOP_MS = 1_200;
const API_STOP_MS = 1_000;
const CONTROL_STOP_MS = 2_000;
const KEEPER_STOP_MS = 300;

/** Everything that a running stack consists of. */
export interface Running {
  readonly plan: Plan;
  readonly options: StackOptions;
  readonly supervisor: Supervisor;
  readonly agents: JsonClient;
  readonly api: JsonClient;
  /** Steps of the stop that are not processes. */
  readonly cleanups: (() => void)[];
  /** From now on nothing is written of what ends: the news of an end may come while the home is removed. */
  readonly closeRecords: () => void;
  management?: Management;
}

export function createRunning(plan: Plan, options: StackOptions, changed: () => void): Running {
  let closed = false;
  const supervisor = createSupervisor({
    say: options.say,
    changed(records) {
      if (closed) return;
      try {
        writeRecords(plan.home.file('processes.json'), records);
      } catch (error) {
        // A home that has vanished is the watch's to deal with; a full disk is no reason to end.
        if (!isMissing(error)) options.say(`processes.json: ${String(error)}`);
      }
      changed();
    },
  });
  const logs = boundLogs(() =>
    Object.keys(supervisor.running()).map((name) => plan.home.file(`logs/${name}.log`)),
  );
  return {
    plan,
    options,
    supervisor,
    agents: createJsonClient(plan.secrets.agent_token_operator),
    api: createJsonClient(plan.secrets.api_token_operator),
    cleanups: [logs.stop],
    closeRecords() {
      closed = true;
    },
  };
}

/** Stops everything in order; the home's data stay unless it is a temporary one. */
export async function stopAll(running: Running): Promise<void> {
  const { plan, supervisor, options } = running;
  for (const cleanup of running.cleanups) cleanup();
  supervisor.seal();
  const management = running.management?.stop();
  await removeEndpoints(plan.home.home);
  await Promise.all(
    plan.ports.proxies.map((_, index) =>
      supervisor.stop(proxyName(index), 'SIGTERM', PROXY_STOP_MS),
    ),
  );
  const deps = { plan, supervisor, client: running.agents };
  // While the api lives, so that the index knows what is asleep.
  await Promise.all(plan.ports.hosts.map((_, index) => shutDownHost(deps, index)));
  await Promise.all(plan.ports.hosts.map((_, index) => stopHost(deps, index)));
  await Promise.all(
    plan.ports.apis.map((_, index) => supervisor.stop(apiName(index), 'SIGTERM', API_STOP_MS)),
  );
  await management;
  raiseCold(plan);
  await Promise.all(
    (['hot', 'cold'] as const).map((name) => supervisor.stop(name, 'SIGINT', CONTROL_STOP_MS)),
  );
  await supervisor.stop('keeper', 'SIGTERM', KEEPER_STOP_MS);
  await clearProcessesOf(plan.home, 'all');
  leaveNoGroup();
  running.closeRecords();
  writeRecords(plan.home.file('processes.json'), {});
  running.agents.close();
  running.api.close();
  if (options.temporary === true) await removeHome(plan.home);
  await plan.home.release();
}

/** Ends everything at once: there is nothing left to be kept in order. */
export async function endVanished(running: Running): Promise<void> {
  const { home } = running.plan;
  running.options.say('the home folder is gone: ending everything');
  for (const cleanup of running.cleanups) cleanup();
  running.supervisor.seal();
  void running.management?.stop();
  await clearProcessesOf(home, 'all');
  await clearVanished(home);
  await home.release();
  running.options.onGone?.();
}
