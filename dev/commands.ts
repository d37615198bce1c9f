/** The commands of the hot path's processes: what each is started with, and nothing else. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../lib/environment.ts';
import { PACKAGE_ROOT } from '../lib/root.ts';
import { CONTROL_SUPERUSER } from '../host/control.ts';
import { runFolderOf, volumeOf, type Home } from './home.ts';
import { openLog } from './logs.ts';
import { inNamespaces } from './namespaces.ts';
import type { Ports } from './ports.ts';
import type { CertificatePaths } from './proxy-certificate.ts';
import { tokenHashes, type Secrets } from './secrets.ts';
import type { ProcessId } from './process-table.ts';
import type { Startable } from './supervisor.ts';

/** What the stack's processes are started from. */
export interface Plan {
  readonly home: Home;
  readonly ports: Ports;
  /** The same, but for what is reached through a relay. */
  readonly told: Ports;
  readonly secrets: Secrets;
  /** What the proxy shows to clients. */
  readonly certificate: CertificatePaths;
  /** Of passwords that workers seal and the console opens. */
  readonly sealing: { readonly keyFile: string; readonly publicKey: string };
  readonly bind: string;
  /** The folder of the Postgres installation. */
  readonly pg: string;
  readonly namespaces: boolean;
  readonly lock: 'on' | 'off';
  /** Unix user of the control servers where this is root. */
  readonly serviceUser: string;
  /** Handed on to every process: log level, users, hold time, slots. */
  readonly settings: Readonly<Record<string, string>>;
  /** Besides, to one process each, by its name. */
  readonly own: Readonly<Record<string, Environment>>;
}

/** In the home: who may call the api. */
export const CALLERS_FILE = 'callers.json';

export type Environment = Readonly<Record<string, string>>;

export const hostName = (index: number): string => `host-${index + 1}`;
export const apiName = (index: number): string => (index === 0 ? 'api' : `api-${index + 1}`);
export const proxyName = (index: number): string => (index === 0 ? 'proxy' : `proxy-${index + 1}`);
export const apiUrl = (plan: Plan, index = 0): string =>
  `http://${plan.bind}:${plan.ports.apis[index]}`;
/** Of all instances, as agents and proxies are told. */
const apiUrls = (plan: Plan): string =>
  plan.told.apis.map((port) => `http://${plan.bind}:${port}`).join(',');
export const hostUrl = (plan: Plan, index: number): string =>
  `http://${plan.bind}:${plan.ports.hosts[index]}`;
export const healthUrl = (plan: Plan, index = 0): string =>
  `http://${plan.bind}:${plan.ports.proxies[index]?.health}`;
/** What clients connect to, host:port. */
export const proxyAddress = (plan: Plan, index = 0): string =>
  `${plan.bind}:${plan.ports.proxies[index]?.sql}`;

/** The control servers' address for the superuser, or for a service's own role. */
export function controlUrl(
  plan: Plan,
  server: 'hot' | 'cold',
  role?: 'api' | 'worker' | 'cold' | 'console',
): string {
  const user = role === undefined ? CONTROL_SUPERUSER : `pilotlight_${role}`;
  const passwords = {
    api: plan.secrets.hot_api_password,
    cold: plan.secrets.hot_cold_password,
    worker: plan.secrets.cold_worker_password,
    console: plan.secrets.cold_console_password,
  };
  const password =
    role === undefined ? plan.secrets[`${server}_superuser_password`] : passwords[role];
  const { [server]: port } = role === 'api' ? plan.told : plan.ports;
  return `postgresql://${user}:${password}@127.0.0.1:${port}/postgres`;
}

/** What every process of the stack is told. */
export const common = (plan: Plan): Environment => ({
  ...plan.settings,
  PILOTLIGHT_WATCH: plan.home.watch,
  PILOTLIGHT_BIND: plan.bind,
});

/** A process of ours: its own session, so that Ctrl-C at the terminal reaches the runner alone. */
export function startable(
  plan: Plan,
  name: string,
  command: readonly string[],
  told: Environment,
): Startable {
  const env = { ...told, ...plan.own[name] };
  const logFile = plan.home.file(`logs/${name}.log`);
  const [program = '', ...args] = command;
  const spec = createHash('sha256')
    .update(JSON.stringify([command, env]))
    .digest('hex');
  return {
    name,
    logFile,
    spec,
    spawn() {
      const log = openLog(logFile);
      try {
        return spawn(program, args, {
          cwd: '/',
          env: childEnvironment(env),
          stdio: ['ignore', log, log],
          detached: true,
        });
      } finally {
        closeSync(log);
      }
    },
  };
}

/** The compiled main of a process, whether this runs from `dist/` or from the sources. */
export function nodeCommand(main: string, ...args: readonly string[]): readonly string[] {
  return [process.execPath, '--enable-source-maps', join(PACKAGE_ROOT, 'dist', main), ...args];
}

export function apiCommand(plan: Plan, index: number): Startable {
  return startable(plan, apiName(index), nodeCommand('api/main.js'), {
    ...common(plan),
    PILOTLIGHT_PORT: String(plan.ports.apis[index]),
    PILOTLIGHT_HOT_URL: controlUrl(plan, 'hot', 'api'),
    PILOTLIGHT_TOKENS_FILE: plan.home.file(CALLERS_FILE),
    PILOTLIGHT_AGENT_TOKEN: plan.secrets.agent_token_api,
    PILOTLIGHT_FLEET_SECRET: plan.secrets.fleet,
    PILOTLIGHT_PROXY_ADDRESS: proxyAddress(plan),
  });
}

export function hostCommand(plan: Plan, index: number): Startable {
  const name = hostName(index);
  const node = nodeCommand('host/main.js');
  return startable(plan, name, plan.namespaces ? inNamespaces(node) : node, {
    ...common(plan),
    PILOTLIGHT_PORT: String(plan.ports.hosts[index]),
    PILOTLIGHT_HOST_ID: name,
    PILOTLIGHT_HOST_URL: `http://${plan.bind}:${plan.told.hosts[index]}`,
    PILOTLIGHT_VOLUME: volumeOf(plan.home),
    PILOTLIGHT_RUN: runFolderOf(plan.home, index + 1),
    PILOTLIGHT_PG: plan.pg,
    PILOTLIGHT_TOKENS: tokenHashes(plan.secrets, 'agent'),
    PILOTLIGHT_API_URLS: apiUrls(plan),
    PILOTLIGHT_API_TOKEN: plan.secrets.api_token_host,
    PILOTLIGHT_LOCK: plan.lock,
  });
}

export function proxyCommand(plan: Plan, index: number): Startable {
  return startable(plan, proxyName(index), nodeCommand('proxy/main.js'), {
    ...common(plan),
    PILOTLIGHT_PORT: String(plan.ports.proxies[index]?.sql),
    PILOTLIGHT_METRICS_PORT: String(plan.ports.proxies[index]?.health),
    PILOTLIGHT_API_URLS: apiUrls(plan),
    PILOTLIGHT_API_TOKEN: plan.secrets.api_token_proxy,
    PILOTLIGHT_FLEET_SECRET: plan.secrets.fleet,
    PILOTLIGHT_PROXIES: plan.ports.proxies.map(({ sql }) => `${plan.bind}:${sql}`).join(),
    PILOTLIGHT_TLS_CERT: plan.certificate.cert,
    PILOTLIGHT_TLS_KEY: plan.certificate.key,
  });
}

/** @param until the runner whose end is the end of a temporary home, too. */
export function keeperCommand(plan: Plan, until: ProcessId | undefined): Startable {
  const runner = until === undefined ? [] : [String(until.pid), until.started];
  return startable(plan, 'keeper', nodeCommand('dev/keeper.js', ...runner), {
    ...common(plan),
    PILOTLIGHT_HOME: plan.home.home,
  });
}
