/**
 * Fencing of hosts, where the runner has power over them: an agent that finds a lock held by a host
 * whose heartbeat stands still asks for it by a file on the volume (host/holding.ts). A host is fenced,
 * by SIGKILL to all that it runs, only if neither its agent nor any of its Postgres answers: an agent
 * that is dead while its Postgres serve is not a lost host.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { answers } from '../host/look.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { codeOf } from '../model/errors.ts';
import { hostName, hostUrl, type Plan } from './commands.ts';
import { runFolderOf, volumeOf } from './home.ts';
import { processesOfHost } from './hosts.ts';
import { signal } from './process-table.ts';
import type { Supervisor } from './supervisor.ts';

const LOOK_MS = 250;
/** Its heartbeat has stood still for 8 s by then. */
const ANSWER_MS_MAX = 500;

export interface FencerDeps {
  readonly plan: Plan;
  readonly supervisor: Supervisor;
  /** For the agents. */
  readonly agents: JsonClient;
  readonly say: (line: string) => void;
}

async function listOf(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function isLost({ plan, agents }: FencerDeps, index: number): Promise<boolean> {
  const asked = agents.call(`${hostUrl(plan, index)}/livez`, { timeoutMs: ANSWER_MS_MAX });
  const agent = asked.then(
    () => true,
    (error: unknown) => codeOf(error) !== 'unavailable',
  );
  const run = runFolderOf(plan.home, index + 1);
  const incarnations = (await listOf(run)).map((name) => ({ folder: join(run, name) }));
  const all = [agent, ...incarnations.map((one) => answers(one, ANSWER_MS_MAX))];
  return !(await Promise.all(all)).includes(true);
}

/** @returns what stops it. */
export function startFencer(deps: FencerDeps): () => void {
  const { plan, say } = deps;
  let looking = false;

  async function look(): Promise<void> {
    for (const [index] of plan.ports.hosts.entries()) {
      const name = hostName(index);
      const folder = join(volumeOf(plan.home), 'hosts', name);
      if (!(await listOf(folder)).includes('fence')) continue;
      if (await isLost(deps, index)) {
        const all = processesOfHost(deps, index);
        for (const id of all) signal(id, 'SIGKILL');
        say(`${name} does not answer and holds databases: fenced (${all.length} processes)`);
      }
      await rm(join(folder, 'fence'), { force: true });
    }
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => (looking = false));
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
