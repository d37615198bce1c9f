/** Databases that come and go: created, written to, read, deleted, and in the end removed. */
import { setTimeout as delay } from 'node:timers/promises';
import { judge } from '../kills/verdict.ts';
import { startClients, through, type ClientsOptions, type Habit } from './clients.ts';
import { makeTable, type Fleet } from './fleet.ts';
import type { Span } from './intervals.ts';

const IDLE_MS = 1_000;
const HABIT: Habit = { rows: 5, rowPauseMs: 20, restMs: 1_500 };
const LIFE_MS_MAX = 8_000;
/** Deleted directories that stay on the volume; older ones make room, as databaseDeletion would. */
const KEEP = 6;

/** When a database was not to be used, by the clients' clock. */
export interface Waited {
  readonly id: string;
  readonly gaps: readonly Span[];
  readonly trouble: string;
}

/** Of all lanes. */
export interface Churned {
  acknowledged: number;
  lost: number;
  unstartable: number;
  readonly lives: Waited[];
  /** Whose delete was acknowledged. */
  readonly deleted: { readonly id: string; readonly url: string }[];
}

export interface ChurnOptions extends Omit<ClientsOptions, 'id' | 'url' | 'habit'> {
  readonly fleet: Fleet;
  readonly churned: Churned;
  readonly say: (line: string) => void;
}

export interface Churn {
  /** Ends with the life that it is in. */
  readonly stop: () => Promise<void>;
}

export function startChurn(options: ChurnOptions): Churn {
  const { fleet, churned, ports, random, say } = options;
  const unpurged: string[] = [];
  let stopped = false;

  async function purgeOld(): Promise<void> {
    while (unpurged.length > KEEP && (await fleet.purge(unpurged[0] ?? ''))) unpurged.shift();
  }

  async function live(): Promise<void> {
    const made = await fleet.create(IDLE_MS);
    if (made === undefined) return;
    const { id, connection_string: url } = made;
    const urls = ports.map((port) => through(url, port));
    if (await makeTable(urls, () => stopped)) {
      const clients = startClients({ ...options, id, url, habit: HABIT });
      const until = performance.now() + random() * LIFE_MS_MAX;
      while (performance.now() < until && !stopped) await delay(100);
      const gaps = clients.availability.gaps(options.now());
      await clients.stop();
      churned.lives.push({ id, gaps, trouble: clients.trouble() });
      churned.acknowledged += clients.acknowledged.length;
      const { lost, starts } = await judge(url, clients.acknowledged);
      churned.lost += lost;
      if (!starts) churned.unstartable += 1;
      if (lost > 0 || !starts) say(`${id}: ${starts ? `lost ${lost}` : 'does not start'}`);
    }
    if (!(await fleet.remove(id))) return;
    churned.deleted.push({ id, url });
    unpurged.push(id);
    await purgeOld();
  }

  async function run(): Promise<void> {
    while (!stopped) await live();
  }
  const running = run();
  return {
    async stop() {
      stopped = true;
      await running;
    },
  };
}
