/** The two control Postgres servers, hot and cold: made once, migrated at every start. */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { migrateCold, migrateHot, setRolePassword } from '../db/migrate.ts';
import { initControl, spawnControl, type SpawnControlOptions } from '../host/control.ts';
import { findUser, isRoot } from '../host/prepare.ts';
import { processesIn } from '../host/processes.ts';
import { lowerForNow, raiseAgain } from '../lib/priority.ts';
import { controlUrl, type Plan } from './commands.ts';
import { openLog } from './logs.ts';
import type { Startable, Supervisor } from './supervisor.ts';

export type ControlName = 'hot' | 'cold';

type Settings = Readonly<Record<string, string>>;

/** Of hot Postgres, wherever this machine runs one. */
export const HOT_SETTINGS: Settings = { max_connections: '60', shared_buffers: '64MB' };

const SETTINGS: Readonly<Record<ControlName, Settings>> = {
  hot: HOT_SETTINGS,
  cold: { max_connections: '60', shared_buffers: '32MB' },
};

const dataOf = (plan: Plan, name: ControlName): string => join(plan.home.state, name);

/** A server of management runs as what it is for, decision 0009; what it starts later follows by itself. */
function lowerServer(pid: number, data: string): void {
  if (!lowerForNow(pid)) return;
  for (const one of processesIn(new Set([data]))) lowerForNow(one);
}

/** Before its end, which is waited for. */
export function raiseCold(plan: Plan): void {
  raiseAgain(processesIn(new Set([dataOf(plan, 'cold')])));
}

async function spawnOptions(plan: Plan, name: ControlName): Promise<SpawnControlOptions> {
  const key = 'PILOTLIGHT_SERVICE_USER';
  const user = isRoot() ? await findUser(plan.serviceUser, key) : undefined;
  return {
    pg: { folder: plan.pg },
    data: dataOf(plan, name),
    port: plan.ports[name],
    logFile: plan.home.file(`logs/${name}.log`),
    settings: SETTINGS[name],
    ...(user === undefined ? {} : { user }),
  };
}

interface ControlCommand {
  readonly command: Startable;
  /** Resolves once the server of the first spawn is ready; later spawns are the supervisor's. */
  readonly ready: () => Promise<void>;
  /** Lowers the server, and each that comes after it as soon as it is ready. */
  readonly lower: () => void;
}

function controlCommand(options: SpawnControlOptions, name: ControlName): ControlCommand {
  const { data } = options;
  let ready: Promise<void> = Promise.resolve();
  let pid: number | undefined;
  let isLow = false;
  const lower = (): void => {
    if (pid !== undefined) lowerServer(pid, data);
  };
  const command: Startable = {
    name,
    logFile: options.logFile,
    spec: JSON.stringify([options.pg.folder, options.data, options.port]),
    async spawn() {
      closeSync(openLog(options.logFile));
      const server = await spawnControl(options);
      ({ ready } = server);
      ({ pid } = server.child);
      if (isLow) void ready.then(lower).catch(() => undefined);
      return server.child;
    },
  };
  return {
    command,
    ready: () => ready,
    lower() {
      isLow = true;
      lower();
    },
  };
}

/**
 * Makes, starts and migrates a control server.
 * @throws ConfigError with Postgres' own sentence if it does not start.
 */
export async function startControl(
  plan: Plan,
  supervisor: Supervisor,
  name: ControlName,
): Promise<void> {
  const options = await spawnOptions(plan, name);
  await initControl({
    pg: options.pg,
    data: options.data,
    superuserPassword: plan.secrets[`${name}_superuser_password`],
    ...(options.user === undefined ? {} : { user: options.user }),
  });
  const { command, ready, lower } = controlCommand(options, name);
  await supervisor.start(command);
  await ready();
  const url = controlUrl(plan, name);
  if (name === 'hot') {
    await migrateHot(url);
    await setRolePassword(url, 'pilotlight_api', plan.secrets.hot_api_password);
    await setRolePassword(url, 'pilotlight_cold', plan.secrets.hot_cold_password);
  } else {
    await migrateCold(url);
    await setRolePassword(url, 'pilotlight_worker', plan.secrets.cold_worker_password);
    await setRolePassword(url, 'pilotlight_console', plan.secrets.cold_console_password);
    lower();
  }
}
