/** What a stack is started with: the caller's wishes, and the plan that follows from them. */
import { spawn } from 'node:child_process';
import { findUser, isRoot, resolvePostgres } from '../host/prepare.ts';
import { readManagementConfig } from '../lib/config-management.ts';
import { ConfigError } from '../lib/config-error.ts';
import { CALLERS_FILE, type Plan } from './commands.ts';
import type { Home } from './home.ts';
import { APIS_MAX, HOSTS_MAX, portsFrom, PROXIES_MAX, type Ports } from './ports.ts';
import { provideCertificate, type CertificatePaths } from './proxy-certificate.ts';
import { provideSealingKey } from './sealing-key.ts';
import { loadSecrets, writeCallers } from './secrets.ts';

/** The embedded stack is for one machine, so nothing of it listens to others. */
export const BIND = '127.0.0.1';

export interface StackOptions {
  /** Folder of the home; relative to the working folder. */
  readonly home: string;
  readonly portBase: number;
  /** Default 2. */
  readonly hosts?: number;
  /** Instances of the api; default 1. */
  readonly apis?: number;
  /** Default 1. */
  readonly proxies?: number;
  /** Ports by which others reach a process instead of its own: the relays of a bench. */
  readonly relays?: Partial<Pick<Ports, 'hot' | 'apis' | 'hosts'>>;
  /** Provide the demo database; default false. */
  readonly demo?: boolean;
  /** Warm slots per host that the built-in refill keeps; 0 = no refill. Default 2. */
  readonly warm?: number;
  /** `auto`: Temporal and the workers, in the background after the hot path. Default `off`. */
  readonly management?: 'auto' | 'off';
  /** Each host in PID and IPC namespaces of its own. Root only; default false. */
  readonly namespaces?: boolean;
  /** `off` only to show what the lock prevents. Default `on`. */
  readonly lock?: 'on' | 'off';
  /** The home is removed by stop(), or when this process ends in any way. Default false. */
  readonly temporary?: boolean;
  /** Overrides of settings that are handed to every process, by key of lib/config*.ts. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Variables of one process of ours alone, by its name (`api-2`, `host-1`). */
  readonly own?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Gets a line for people about every step, and about every process that ended unasked. */
  readonly say: (line: string) => void;
  /** Aborted when the start shall be given up. */
  readonly signal?: AbortSignal;
  /** Called when the home has been removed and everything has been ended. */
  readonly onGone?: () => void;
}

/** Settings of this process that its children share. */
function sharedSettings(): { settings: Record<string, string>; serviceUser: string } {
  const config = readManagementConfig([
    'PILOTLIGHT_LOG_LEVEL',
    'PILOTLIGHT_PROXY_USER',
    'PILOTLIGHT_SERVICE_USER',
    'PILOTLIGHT_HOLD_MS',
    'PILOTLIGHT_SLOTS',
  ]);
  const slots = Object.entries(config.PILOTLIGHT_SLOTS).map(([size, n]) => `${size}=${n}`);
  return {
    serviceUser: config.PILOTLIGHT_SERVICE_USER,
    settings: {
      PILOTLIGHT_LOG_LEVEL: config.PILOTLIGHT_LOG_LEVEL,
      PILOTLIGHT_PROXY_USER: config.PILOTLIGHT_PROXY_USER,
      PILOTLIGHT_SERVICE_USER: config.PILOTLIGHT_SERVICE_USER,
      PILOTLIGHT_HOLD_MS: String(config.PILOTLIGHT_HOLD_MS),
      PILOTLIGHT_SLOTS: slots.join(','),
    },
  };
}

function canUnshare(): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('unshare', ['--pid', '--ipc', '--mount-proc', '--fork', 'true'], {
      stdio: 'ignore',
    });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

/** @throws ConfigError with one sentence on what is missing. */
export async function checkMachine(options: StackOptions): Promise<void> {
  const hosts = options.hosts ?? 2;
  if (hosts < 1 || hosts > HOSTS_MAX)
    throw new ConfigError(`a stack has 1 to ${HOSTS_MAX} hosts, not ${hosts}`);
  const apis = options.apis ?? 1;
  if (apis < 1 || apis > APIS_MAX)
    throw new ConfigError(`a stack has 1 to ${APIS_MAX} apis, not ${apis}`);
  const proxies = options.proxies ?? 1;
  if (proxies < 1 || proxies > PROXIES_MAX)
    throw new ConfigError(`a stack has 1 to ${PROXIES_MAX} proxies, not ${proxies}`);
  if (options.namespaces !== true) return;
  if (!isRoot()) throw new ConfigError('PILOTLIGHT_NAMESPACES=on needs root');
  if (!(await canUnshare()))
    throw new ConfigError('PILOTLIGHT_NAMESPACES=on needs unshare(1) and the right to use it');
}

/** The one that the settings name, else the home's own. */
async function findCertificate(home: Home): Promise<CertificatePaths> {
  const config = readManagementConfig([
    'PILOTLIGHT_TLS_CERT',
    'PILOTLIGHT_TLS_KEY',
    'PILOTLIGHT_PROXY_USER',
  ]);
  const { PILOTLIGHT_TLS_CERT: cert, PILOTLIGHT_TLS_KEY: key } = config;
  if (cert !== '' || key !== '') return { cert, key };
  const name = config.PILOTLIGHT_PROXY_USER;
  const user = isRoot() ? await findUser(name, 'PILOTLIGHT_PROXY_USER') : undefined;
  return provideCertificate(home.state, user);
}

/** @throws ConfigError without a Postgres, or when the secrets can not be read. */
export async function makePlan(home: Home, options: StackOptions): Promise<Plan> {
  const keyFile = home.file('sealing-key.pem');
  const [secrets, publicKey, pg, certificate] = await Promise.all([
    loadSecrets(home.file('secrets.json')),
    provideSealingKey(keyFile),
    resolvePostgres(home.state),
    findCertificate(home),
  ]);
  await writeCallers(home.file(CALLERS_FILE), secrets);
  const { settings, serviceUser } = sharedSettings();
  const { hosts = 2, apis, proxies } = options;
  const ports = portsFrom(options.portBase, { hosts, apis, proxies });
  return {
    home,
    ports,
    told: { ...ports, ...options.relays },
    secrets,
    certificate,
    sealing: { keyFile, publicKey },
    bind: BIND,
    pg: pg.folder,
    namespaces: options.namespaces ?? false,
    lock: options.lock ?? 'on',
    serviceUser,
    settings: { ...settings, ...options.settings },
    own: options.own ?? {},
  };
}
