/**
 * The product's start and suspend, from the verb down to the index, in this process: only the agents
 * are not there. In their place something answers at once, so that what is measured is the claim.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createFleet } from '../model/fleet.ts';
import type { Agents } from '../api/agents.ts';
import { createRoom } from '../api/room.ts';
import { createStarter } from '../api/start.ts';
import { suspendDatabase } from '../api/suspend.ts';
import { createTenants } from '../api/tenants.ts';
import type { Gathered, Hot, Statement } from '../db/hot/hot.ts';
import { openHot } from '../db/hot/pool.ts';
import { createLogger } from '../lib/log.ts';
import { SYNC_MS } from '../model/limits.ts';
import type { HostReport } from '../model/wire.ts';
import type { BenchHost } from './hot-rows.ts';

/** As api/main.ts has it. */
const POOL_SIZE = 8;
const PATIENCE_MS = 20_000;
/** Long enough that the index has heard of a start. */
const RECORD_PAUSE_MS = 200;

/** A statement as the product ran it. */
export interface Ran {
  readonly text: string;
  readonly values: readonly unknown[];
}

export interface InProcess {
  /** @returns the epoch that runs. */
  readonly start: (database: string) => Promise<number>;
  readonly suspend: (database: string, epoch: number) => Promise<void>;
  /** The statements of one start and suspend of a database, one at a time, as the product runs them. */
  readonly record: (database: string) => Promise<readonly Ran[]>;
  /** How the sessions are set in which it runs them, by the name of the setting. */
  readonly settings: () => Promise<ReadonlyMap<string, string>>;
  readonly close: () => Promise<void>;
}

const reportOf = ({ host, slots }: BenchHost): HostReport => ({
  host,
  url: 'http://127.0.0.1:1',
  boot: 1,
  version: 0,
  capacity: { small: slots },
  slots: [],
  volume: { id: 'bench', kind: 'shared', free_bytes: 1e12, total_bytes: 1e12 },
});

function unused(): never {
  throw new Error('BUG: a start or suspend asks no agent for this');
}

const sessionSettings = {
  name: 'session-settings',
  text: "select name, setting from pg_settings where source = 'client'",
};

/** Agents that have everything at hand. */
function createInstantAgents(): Agents {
  let version = 0;
  const said = () => ({ boot: 1, version: ++version });
  return {
    async attach(_, request) {
      if (!('epoch' in request)) unused();
      const { database, epoch } = request;
      const directory = database.slice(3, 19);
      const address = { socket: `/run/bench/${directory}.${epoch}`, port: 5432 };
      return { ...said(), database, directory, epoch, address };
    },
    suspend: async () => ({ ...said(), outcome: 'suspended' }),
    recycle: async () => undefined,
    create: unused,
    state: unused,
    identity: unused,
    awake: unused,
    putIdentity: unused,
  };
}

/** Notes what goes through, while it is asked to. */
function recording(hot: Hot) {
  let notes: Ran[] | undefined;
  const wrapped: Hot = {
    ...hot,
    quick<Row>(statement: Statement, values: readonly unknown[]) {
      notes?.push({ text: statement.text, values });
      return hot.quick<Row>(statement, values);
    },
    gather<Row>(gathered: Gathered, values: readonly unknown[]) {
      notes?.push({ text: gathered.one.text, values });
      return hot.gather<Row>(gathered, values);
    },
  };
  return {
    hot: wrapped,
    async during(work: () => Promise<void>): Promise<readonly Ran[]> {
      const taken: Ran[] = [];
      notes = taken;
      await work();
      notes = undefined;
      return taken;
    },
  };
}

export function openInProcess(url: string, hosts: readonly BenchHost[]): InProcess {
  const now = (): number => performance.now();
  const log = createLogger('bench', 'warn');
  const { hot, during } = recording(
    openHot({ url, size: POOL_SIZE, onIdleError: () => undefined }),
  );
  const fleet = createFleet(Math.random);
  const hearAll = (): void => {
    for (const host of hosts) fleet.hear(reportOf(host), now());
  };
  hearAll();
  const timer = setInterval(hearAll, SYNC_MS);
  const agents = createInstantAgents();
  const shared = { room: createRoom(now), tenants: createTenants(hot, now) };
  const deps = { hot, fleet, agents, ...shared, log, now };
  const starter = createStarter({ ...deps, patienceMs: PATIENCE_MS });

  async function start(database: string): Promise<number> {
    const answer = await starter.start({ database, request: {}, requestId: '', force: false });
    if (answer.state !== 'running') throw new Error(`BUG: a start answered ${answer.state}`);
    return answer.epoch;
  }

  async function suspend(database: string, epoch: number): Promise<void> {
    const { outcome } = await suspendDatabase(deps, database, { epoch }, '');
    if (outcome !== 'suspended') throw new Error(`BUG: a suspend answered ${outcome}`);
  }

  return {
    start,
    suspend,
    record: (database) =>
      during(async () => {
        const epoch = await start(database);
        await pause(RECORD_PAUSE_MS);
        await suspend(database, epoch);
      }),
    async settings() {
      const rows = await hot.quick<{ name: string; setting: string }>(sessionSettings, []);
      return new Map(rows.map(({ name, setting }) => [name, setting]));
    },
    async close() {
      clearInterval(timer);
      await hot.close();
    },
  };
}
